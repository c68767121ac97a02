"""How an experiment is run: sampling, scoring, repeating over seeds, and where its work is done."""
