"""The Super App API: folders are the ministry's work, files are the ground they stand on."""
