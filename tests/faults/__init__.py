"""What must hold when processes are killed, power fails, disks break and peers lie; each test has a control."""
