"""What all pages share: widgets, component ids, the frame in HTML, and how HTTP requests are answered."""
