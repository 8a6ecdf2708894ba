"""Recognition: speech spans of all requests, in batches, to text with word times and confidences."""
