"""Small stable answers for apps people carry: words instead of numbers, and unknown where nobody knows."""
