"""How fast: isthmus beside what a user could pick instead, and beside what the processor can do.

A *row* is one work (net, data, batch, epochs) and its *entrants*. Every entrant is a script of ``contestants/``, which
runs in a process of its own and, for other libraries, in an environment of its own, so that none of them is imported
here. Rounds are interleaved: every entrant has its turn before any has its second.
"""
