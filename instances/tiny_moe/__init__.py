"""How the shipped routing traces were made: a tiny Mixture-of-Experts model, trained and recorded here.

Not part of the installed package: ``nox -s record-tiny`` runs it in a checkout.
"""
