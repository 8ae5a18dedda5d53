"""What the doctor finds at the readers of this PC/SC service: state and finding, a line each.

A program of its own: pcsc-lite looks for its service once in a process.
"""

from reader_bridge.doctor.readers import at_the_readers
from reader_bridge.pcsc.winscard import Pcsc

if __name__ == "__main__":
    for finding in at_the_readers(Pcsc()):
        if "serial" not in finding.found:  # the rig's readers have none
            print(finding.state, finding.found, flush=True)
