"""Results in and out of other forms: Every Eval Ever, a small pack, model cards."""
