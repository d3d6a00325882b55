"""Words that stand for numbers, for sums, or for grammar, in the languages of the bundled texts.

Short lists of frequent words, written for this package and not taken from a treebank: words of
other languages, and rarer ones, count as the rest. In a language that is not here only digits and
signs are told apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class WordLists:
    """Words of one language, in lower case, separated by spaces."""

    numbers: str
    operators: str
    """Words that say what is done with numbers."""
    functions: str
    """Articles, prepositions, conjunctions, pronouns, auxiliaries, particles, question words."""


WORDS: Mapping[str, WordLists] = MappingProxyType(
    {
        "en": WordLists(
            numbers="zero one two three four five six seven eight nine ten eleven twelve thirteen "
            "fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty "
            "seventy eighty ninety hundred thousand million half dozen",
            operators="plus minus times add subtract multiply divide divided multiplied sum "
            "difference product equals equal",
            functions="a an the and or but if of in on at to for from by with as is are was were "
            "be been it its this that these those he she they we you i his her their our my there "
            "not no do does did has have had will would can could who what which how when where "
            "than then so into about up out",
        ),
        "nb": WordLists(
            numbers="null to tre fire fem seks sju syv åtte ni ti elleve tolv tretten fjorten "
            "femten seksten sytten atten nitten tjue tretti førti femti seksti sytti åtti nitti "
            "hundre tusen million halv",
            operators="pluss minus ganger ganget delt sum summen lik",
            functions="en et ei den det de og eller men hvis av i på til for fra ved med som er "
            "var være vært han hun vi du jeg hans hennes deres vår min der ikke nei har hadde vil "
            "kan hvem hva hvilken hvor når enn så om opp ut å man seg sin sitt",
        ),
        "de": WordLists(
            numbers="null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn "
            "vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn zwanzig dreißig vierzig fünfzig "
            "sechzig siebzig achtzig neunzig hundert tausend million halb",
            operators="plus minus mal geteilt summe differenz produkt gleich",
            functions="ein eine einen einem einer eines der die das den dem des und oder aber wenn "
            "von in im am an auf zu zum zur für aus bei mit als wie ist sind war waren sein es er "
            "sie wir du ich sein seine ihr ihre unser mein dort nicht nein hat haben hatte wird "
            "kann wer was welche wo wann so über um sich dass nach",
        ),
        "fr": WordLists(
            numbers="zéro deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze "
            "quinze seize vingt trente quarante cinquante soixante cent cents mille million demi",
            operators="plus moins fois divisé multiplié somme différence produit égale font",
            functions="un une le la les l d des du de et ou mais si dans en sur à au aux pour par "
            "avec comme est sont était être il elle ils elles nous vous je tu son sa ses leur "
            "leurs mon y ne pas non a ont avait qui que quoi quel quelle où quand ce cette "
            "ces se qu n s",
        ),
        "es": WordLists(
            numbers="cero dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce "
            "quince dieciséis diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta "
            "sesenta setenta ochenta noventa cien ciento mil millón medio",
            operators="más menos por dividido multiplicado suma diferencia producto igual",
            functions="un una unos unas el la los las de del y o pero si en a al para desde con "
            "como es son era ser él ella ellos nosotros yo tú su sus mi no sí ha han había quien "
            "qué que cuál dónde cuándo este esta esto se lo le les hay",
        ),
        "ru": WordLists(
            numbers="ноль один одна два две три четыре пять шесть семь восемь девять десять "
            "одиннадцать двенадцать тринадцать четырнадцать пятнадцать шестнадцать семнадцать "
            "восемнадцать девятнадцать двадцать тридцать сорок пятьдесят шестьдесят семьдесят "
            "восемьдесят девяносто сто тысяча миллион половина",
            operators="плюс минус умножить разделить сумма разность произведение равно",
            functions="и или но если в во на к ко для из от с со у о об по как что это этот эта он "
            "она они мы вы я ты его её их наш мой там не нет был была были быть есть кто какой где "
            "когда чем так за до бы же ли",
        ),
        "ar": WordLists(
            numbers="صفر واحد اثنان اثنين ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة عشر عشرون "
            "عشرين ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون مئة مائة ألف مليون نصف",
            operators="زائد ناقص ضرب قسمة مجموع المجموع فرق حاصل يساوي",
            functions="و أو لكن إذا في على إلى من عن مع هو هي هم نحن أنت أنا هذا هذه ذلك تلك التي "
            "الذي أن إن كان كانت ليس لا لم لن ما كم كيف متى أين قد كل بعد قبل ثم",
        ),
        "hi": WordLists(
            numbers="शून्य एक दो तीन चार पाँच पांच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह "
            "सत्रह अठारह उन्नीस बीस तीस चालीस पचास साठ सत्तर अस्सी नब्बे सौ हज़ार हजार लाख करोड़ आधा",
            operators="योग जोड़ घटाने घटाव गुणा भाग जमा बराबर कुल",
            functions="और या लेकिन अगर का के की में से को पर ने तक लिए है हैं था थी थे हो वह वे यह ये "
            "हम आप मैं तुम उसका उनका मेरा नहीं ना कौन क्या कितना कितनी कितने कहाँ कब कि जो भी ही तो साथ",
        ),
        "ml": WordLists(
            numbers="പൂജ്യം ഒന്ന് രണ്ട് മൂന്ന് നാല് അഞ്ച് ആറ് ഏഴ് എട്ട് ഒമ്പത് ഒൻപത് പത്ത് പതിനൊന്ന് "
            "പന്ത്രണ്ട് ഇരുപത് മുപ്പത് നാല്പത് അമ്പത് അറുപത് എഴുപത് എൺപത് തൊണ്ണൂറ് നൂറ് ആയിരം ലക്ഷം പകുതി",
            operators="കൂട്ടണം കുറയ്ക്കണം കൂട്ടിയാൽ കുറച്ചാൽ ഗുണിക്കണം ഹരിക്കണം തുക ആകെ",
            functions="ഒരു അല്ലെങ്കിൽ പക്ഷേ ഉം ആണ് അല്ല ഇല്ല ഉണ്ട് അത് ഇത് അവൻ അവൾ അവർ ഞാൻ ഞങ്ങൾ നീ "
            "നിങ്ങൾ ആ ഈ എന്ന് എന്ന എന്ത് ആര് എവിടെ എപ്പോൾ എത്ര എത്രയാണ് ഒപ്പം നിന്ന് വരെ കൂടെ",
        ),
        "ja": WordLists(
            numbers="零 一 二 三 四 五 六 七 八 九 十 百 千 万 億 半分",
            operators="足す 引く 掛ける 割る 合計 全部で 差 積 等しい",
            functions="は が を に へ と で も の や か ね よ から まで より です ます でした "
            "ました ない この その あの これ それ あれ いくつ 何 誰 どこ いつ ある いる",
        ),
        "zh": WordLists(
            numbers="零 〇 一 二 两 三 四 五 六 七 八 九 十 百 千 万 亿 半",
            operators="加 减 乘 除 等于 总和 一共 差 积",
            functions="的 了 在 是 和 与 或 但 如果 从 到 对 把 被 这 那 他 她 它 们 我 你 不 没 "
            "有 也 都 就 很 吗 呢 吧 什么 谁 哪 多少 几 个",
        ),
        "ko": WordLists(
            numbers="영 하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열 스물 서른 마흔 쉰 백 천 만 억 "
            "절반",
            operators="더하기 빼기 곱하기 나누기 합 차 곱 모두",
            functions="그리고 또는 하지만 그러나 만약 은 는 이 가 을 를 에 에서 의 와 과 로 으로 "
            "도 그 저 이것 그것 나는 우리 누가 무엇 어디 언제 몇 얼마입니까 않다 있는 있다 없다",
        ),
        "sw": WordLists(
            numbers="sifuri moja mbili tatu nne tano sita saba nane tisa kumi ishirini thelathini "
            "arobaini hamsini sitini sabini themanini tisini mia elfu milioni nusu",
            operators="kujumlisha kutoa kuzidisha kugawanya jumla tofauti sawa",
            functions="na au lakini kama ya wa la za cha vya kwa katika kwenye ni si hii huu hiyo "
            "huo hizi yeye wao sisi wewe mimi yake wake langu hapana ndiyo nani nini gani ngapi "
            "wapi lini kuwa kuna ambao ambayo ili hadi tu pia",
        ),
    }
)
"""By canonical language code."""

UNSPACED = frozenset({"ja", "zh", "ko"})
"""Languages whose words stand beside others without a space (Korean: before particles)."""
