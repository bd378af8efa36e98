"""What runs inside the sandboxes: the guest with the program, and the judge with its tests. Standard library only."""
