"""What the policy lets grow old is deleted on time, its sums are kept, and every deletion is proven."""
