"""Which of the things a model card says are true, how do we know, and what would it take to know the rest?"""

__version__ = "0.1.0"
