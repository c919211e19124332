"""The new words of a reply, without what it quotes and what was added to it.

cutting      the order of the rules, and what they leave: `cut`
lines        lines and their roles
page         HTML: quotes and signatures by structure
overlap      what stood in the message we sent
attribution  what announces a quote
signature    what stands below the words
wording      the words of clients, by language
"""

from tierii_mta.correspondence.quote.cutting import Cut, Piece, cut
from tierii_mta.correspondence.quote.lines import Role

__all__ = ["Cut", "Piece", "Role", "cut"]
