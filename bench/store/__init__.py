"""The run folder: tables of instances and runs, checked cell by cell."""
