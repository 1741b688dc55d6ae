"""Tables as text, HTML, CSV and LaTeX."""
