"""Does belief credit train faster? A guessing game small enough that its exact posterior is known."""
