"""Norwegian Bokmål: gender of determiners and adjectives, infinitives after å and modals."""

from babelmini.damage.edits import END, drop, edit, replace, swap_next
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

_MODALS = "kan|kunne|må|måtte|vil|ville|skal|skulle|bør"

RULES = LanguageRules(
    swap=(
        swap_next("en et ei i på til av fra med for om å som at når fordi hvis"),
        swap_next("før bak nær gjennom ved under blant etter uten rundt enn"),
    ),
    drop=(
        drop("å som i på til av fra med for om ved"),
        drop("er var har hadde ble blir kan kunne må måtte skal vil ville"),
    ),
    agreement=(
        edit(rf"(?<=\så )(\w+[eåo]){END}", r"\1r"),
        edit(rf"(?<=\s)({_MODALS}) (\w\w+e){END}", r"\1 \2r"),
        replace("en→et et→en min→mitt mitt→min vår→vårt vårt→vår din→ditt sin→sitt sitt→sin"),
        replace("denne→dette dette→denne gammel→gammelt stor→stort liten→lite lille→små"),
        replace("gamle→gammel ferske→fersk brukt→brukte rød→rødt blå→blått bred→bredt løst→løs"),
        replace("sterk→sterkt varmt→varm kald→kaldt høy→høyt ferskt→fersk nytt→ny nye→ny"),
        replace("våre→vår mine→min sine→sin stengt→stengte vakre→vakker mange→mye"),
        replace("geiter→geit sider→side dager→dag greiner→grein familier→familie uker→uke"),
        replace("søstrene→søsteren bladene→bladet barna→barnet mykt→myk redd→redde bratt→bratte"),
        replace("små→lite snill→snilt hele→hel alle→all noen→noe høyt→høy sunket→sank"),
        replace("spist→spiste lært→lærte ventet→vente leid→leide bygd→bygget"),
    ),
    characters=(LetterSwap(shortest=5),),
    acceptable=(
        "stengt mandager",
        "ferdig fredag",
        "underveis ukevis",
        "hverandre flere år",
        "min nesten en",
        "lov å leke",
        "hjelper når",
        "sover lite",
        "var salt",
        "er mange",
        "er svak",
        "var trøtte",
        "løp å",
        "blir is",
        "flyter den innsjøen",
        "Biblioteket stengt",
        "gnager føttene",
        "hørte til midnatt",
        "dagen om",
        "byen rundt",
        "natten om",
        "trodde ikke ham",
        "boren",
        "magne",
    ),
)
