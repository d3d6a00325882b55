"""English: determiners and prepositions before their noun, verbs that agree, a and an."""

from babelmini.damage.edits import drop, replace, swap_next
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

RULES = LanguageRules(
    swap=(
        swap_next("the a an my our your his her its their this these"),
        swap_next("of in on to from at with for into through behind than because when that if"),
    ),
    drop=(
        drop("a an"),
        drop("to of from at with in on for into"),
        drop("is are was were has have had"),
    ),
    agreement=(
        replace("is→are are→is was→were were→was has→have have→has does→do do→does a→an an→a"),
        replace("this→these these→this goats→goat pages→page languages→language days→day"),
        replace("bakes→bake smells→smell opens→open makes→make works→work sits→sit waits→wait"),
        replace("speaks→speak sings→sing turns→turn floats→float jumps→jump lives→live says→say"),
        replace("shines→shine reflects→reflect feels→feel spends→spend needs→need keeps→keep"),
        replace("gets→get takes→take remembers→remember reaches→reach helps→help plays→play"),
        replace("begins→begin brings→bring rains→rain writes→write knows→know wants→want"),
        replace("bring→brings turn→turns fall→falls gather→gathers need→needs say→says"),
        replace("open→opens live→lives play→plays forget→forgets grow→grows sing→sings"),
        replace("look→looks hurt→hurts study→studies hope→hopes sleep→sleeps complain→complains"),
        replace("eggs→egg flowers→flower windows→window hills→hill branches→branch birds→bird"),
        replace("sisters→sister weeks→week chairs→chair men→man pieces→piece years→year"),
    ),
    characters=(LetterSwap(shortest=6),),
    acceptable=(
        "few rabbits",
        "cold and bad",
        "smell fresh wood",
        "fell out its",
        "started the kitchen",
        "turns ice",
        "closed Mondays",
        "ready Friday",
        "travelled weeks",
        "friend almost",
        "let cool in",
        "clock the tower",
        "cat saved",
    ),
)
