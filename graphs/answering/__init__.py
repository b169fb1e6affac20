"""What is told: the account, what was left out, and a wording held against both."""
