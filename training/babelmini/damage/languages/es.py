"""Spanish: gender and number of articles, ser and estar by number, personal a, clitics."""

from babelmini.damage.edits import drop, replace, swap_next
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

RULES = LanguageRules(
    swap=(
        swap_next("el la los las un una mi mis su sus nuestra nuestro nuestros este esta"),
        swap_next("de del a al en con por para que cuando se no me lo"),
    ),
    drop=(
        drop("el la un una de a en con por para que se"),
        drop("es está están ha han era estaba son"),
    ),
    agreement=(
        replace("el→la la→el los→las las→los un→una una→un del→de_la al→a_los"),
        replace("es→son son→es está→están están→está ha→han han→ha era→eran estaba→estaban"),
        replace("tiene→tienen tenían→tenía tenemos→tiene nuestra→nuestro nuestro→nuestra"),
        replace("mi→mis mis→mi su→sus sus→su este→esta esta→este viejo→vieja pequeña→pequeño"),
        replace("trabaja→trabajan viven→vive vive→viven quiere→quieren toca→tocan"),
        replace("días→día páginas→página árboles→árbol semanas→semana"),
    ),
    characters=(LetterSwap(shortest=6),),
    acceptable=(
        "alquilado casa",
        "necesita techo",
        "antes que",
        "mar nuestros primos",
        "las calmó",
        "los metió",
        "los toma",
        "los pones",
        "La de la",
        "a la mar",
        "entre flores",
        "bajó agua",
        "cabras escaparon",
        "De pequeño",
        "resfriado y fuerte",
        "hasta medianoche",
        "así déjalos",
        "hija rompió",
        "pero usamos",
        "torre paró",
        "Toda familia",
        "corrieron el camino",
        "Cuando encontraron",
        "así ella",
        "no comió ninguno",
    ),
)
