"""The subproblem of one server: the best cache, given all others."""
