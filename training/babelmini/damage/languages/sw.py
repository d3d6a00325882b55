"""Swahili: noun classes agree, connectives stand before their noun, modifiers after it."""

from babelmini.damage.edits import drop, replace, swap_next, swap_previous
from babelmini.damage.letters import LetterSwap
from babelmini.damage.rules import LanguageRules

RULES = LanguageRules(
    swap=(
        swap_next("ya wa la za cha vya kwa na katika kila kuhusu kutoka kwenye kama kuliko"),
        swap_previous("yangu yako yake yetu wangu wake wetu zake zetu zao lake chake vyake vyetu"),
        swap_previous("wengi mengi mingi mmoja moja wawili mbili tatu kubwa dogo kidogo mpya"),
        swap_previous("vipya"),
        swap_previous("vinane unapotoka mkubwa mkali mwekundu nyekundu mzee sana"),
    ),
    drop=(
        drop("ya wa la za cha vya katika"),
        drop("kwa", follower=r"(?!sababu|nini|miaka|wiki|karibu|siku)\w+"),
        drop("na", follower=r"(?!ku|kw)\w+"),
        drop("kuhusu kutoka kuliko"),
    ),
    agreement=(
        replace("ya→la wa→la la→za za→cha cha→la vya→la yangu→changu yako→chako yake→chake"),
        replace("yetu→chetu wangu→changu wake→chake wetu→chetu zake→chake zetu→chetu lake→chake"),
        replace("chake→lake vyake→lake yao→chao zao→chao hiki→hizi hili→hiki huu→hili hizo→hicho"),
        replace("wengi→mingi mengi→wengi mingi→wengi kubwa→mkubwa mkubwa→vikubwa dogo→vidogo"),
        replace("kidogo→vidogo wawili→viwili mbili→wawili tatu→watatu moja→kimoja mmoja→kimoja"),
        replace("mpya→vipya vipya→kipya jipya→kipya mrefu→virefu ndefu→virefu mzee→kizee"),
        replace("wachache→machache machache→wachache michache→wachache kali→wakali mkali→wakali"),
        replace("mpana→kipana"),
        replace("mdogo→wadogo ilinyesha→kilinyesha walitoroka→kilitoroka lilikuwa→walikuwa"),
        replace("ilikuwa→walikuwa ulikuwa→walikuwa walikuwa→kilikuwa ilikuja→kilikuja"),
        replace("anabweka→kinabweka iliyotumika→kilichotumika haifanyi→hawafanyi vinane→minane"),
        replace("iliondoka→ziliondoka halijachomoza→hazijachomoza vilivyo→yaliyo"),
        replace("watu→mtu watoto→mtoto vilima→kilima kurasa→ukurasa mikono→mkono"),
    ),
    characters=(LetterSwap(shortest=6),),
    acceptable=(
        "sababu hatu",
        "tuandike mahali",
        "tulilala hoteli",
        "apumzike anywe",
        "kuwa njano",
        "hizo zamani",
        "mkubwa kijani",
        "ni starehe",
        "mafua kichwa",
        "zaidi anatumia",
        "usiku manane",
        "kunawa mkono",
        "ulikuwa baridi",
        "huwa joto",
        "nyumba umejaa",
        "bandari zamani",
        "yetu zamani",
        "alipoanguka mtini",
        "Saa mnarani",
        "alipokuwa kidogo",
        "sana kinaniuma",
        "mchana baridi",
    ),
)
