"""What compiled code is made of: elementary functions, random numbers, memory, scratch space."""
