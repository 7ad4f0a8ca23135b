"""What training and evaluation read: a bank of crops, and who is trained, validated or tested on."""
