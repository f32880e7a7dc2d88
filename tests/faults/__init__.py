"""The fault suite: real processes, traffic, faults on a schedule, and every promise checked (`make faults`)."""
