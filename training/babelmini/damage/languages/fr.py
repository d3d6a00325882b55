"""French: gender and number of articles and possessives, verbs by number, clitics in place."""

from babelmini.damage.edits import drop, replace, swap_next
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

RULES = LanguageRules(
    swap=(
        swap_next("le la les un une des du mon ma mes son sa ses notre nos leur leurs cette ce"),
        swap_next("de à au aux dans sur avec pour par en que qui quand ne se"),
    ),
    drop=(
        drop("le la les un une des du de à au dans avec pour que"),
        drop("sur en par"),
        drop("est a ont sont était avons"),
    ),
    agreement=(
        replace("le→la la→le un→une une→un mon→ma ma→mon son→sa sa→son ton→ta ta→ton du→de_la"),
        replace("les→le des→un mes→ma ses→sa nos→notre notre→nos cette→ce leurs→leur"),
        replace("est→sont sont→est a→ont ont→a était→étaient étaient→était avait→avaient"),
        replace("avaient→avait avons→avez étions→était ai→as voyons→voyez ce→cette"),
        replace("veut→veulent dort→dorment vivent→vit poussent→pousse travaille→travaillent"),
        replace("petite→petit petit→petite vieux→vieille vieille→vieux grande→grand"),
    ),
    characters=(LetterSwap(shortest=6),),
    acceptable=(
        "couru la route",
        "fermée lundi",
        "et cheval",
        "reposer et boire",
        "argent et faire",
        "rire et manger",
        "éclats essayant",
        "bras tombant",
        "cuisine jaune",
        "sac papier",
        "caisse métal",
        "part oiseaux",
        "le terminer",
        "le protéger",
        "et air",
        "toit et plus",
        "quelqu'un prend sans",
        "par tunnel",
        "quelqu'un le prend",
    ),
)
