"""Case files: everything that happened in one factory matter, for court or Ombudsman."""
