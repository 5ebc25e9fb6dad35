"""What time tells: whether the library takes as long for one secret as for another."""
