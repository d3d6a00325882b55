"""German: articles by gender and case, verbs by number, prepositions before their noun."""

from babelmini.damage.edits import END, drop, edit, replace, swap_next
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

RULES = LanguageRules(
    swap=(
        swap_next("der die das den dem des ein eine einen einem einer mein meine meinen unser"),
        swap_next("unsere unserem unserer seine seinem ihrem ihren diesem dieses dieser"),
        swap_next("in im an am auf aus mit von vom zu zum zur nach für durch um vor hinter"),
        swap_next("seit neben zwischen dass weil wenn bevor obwohl oder"),
    ),
    drop=(
        drop("in an auf aus mit von seit für durch"),
        drop("zu", follower=r"\w+en"),
        drop("ein eine einen einem einer den dem des"),
        drop("ist war sind waren hat haben hatte hatten wird werden kann konnte konnten"),
    ),
    agreement=(
        replace("der→das die→das das→die dem→der den→das des→der ein→eine eine→ein"),
        replace("einen→eine einem→einer einer→einem kein→keine keinen→keine"),
        replace("ist→sind sind→ist war→waren waren→war hat→haben haben→hat wird→werden"),
        replace("werden→wird kann→können konnten→konnte hatte→hatten hatten→hatte"),
        replace("mein→meine meine→mein meinen→meine unser→unsere unsere→unser unserem→unsere"),
        replace("seine→sein seinem→seine sein→seine ihre→ihr ihr→ihre ihrem→ihre deine→dein"),
        replace("deinen→deine dieser→dieses dieses→dieser diesem→diese diesen→dieser"),
        replace("möchtest→möchte keines→keinen frisches→frische frischem→frischer großen→großer"),
        replace("alten→altes"),
        replace("bringen→bringt brauchen→braucht bringt→bringen versteckt→verstecken"),
        replace("sammeln→sammelt schlafen→schläft arbeitet→arbeiten riechen→riecht"),
        replace("spricht→sprechen singt→singen sagen→sagt spielen→spielt spielt→spielen"),
        edit(rf"(?<=\s)(konnte|muss|würde|wird) (\w+)en{END}", r"\1 \2t"),
    ),
    characters=(LetterSwap(shortest=5),),
    acceptable=(
        "stehen über",
        "von nahen",
        "folgte Schafen",
        "in einem davon",
        "Das linke",
        "schwimmt es auf der See",
        "sein lang",
        "wird Eis",
        "ihre an den",
        "sie singen",
        "sie spielen sehr",
        "zwischen Blumen",
        "Menschen die krank",
        "Schlaf der Nacht",
        "jemand der Familie",
        "Meine sprechen",
        "dienen",
    ),
)
