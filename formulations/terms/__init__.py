"""The saving as a function of what one server holds."""
