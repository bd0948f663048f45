"""What meters say, in the words of energy software."""
