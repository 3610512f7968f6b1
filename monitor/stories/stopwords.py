"""Words that say nothing of an event: too common in a language, or too common in news.

``STOP`` words are left out of comparisons. ``COMMON`` words of news prose count, but as if they had
been seen in one of ``COMMON_SHARE`` documents already, so that the first hundred entries of a fresh
installation are not clustered by "police" and "million". Lists of our own, from the function words
of each language and the vocabulary of news desks; document frequencies learned online take over.
"""

from __future__ import annotations

_ENGLISH = (
    "a about above after again against all also am among an and any are aren as at be because"
    " been"
    " before being below between both but by can cannot could couldn did didn do does doesn"
    " doing"
    " don down during each either else ever every few for from further get gets getting go goes"
    " going got had hadn has hasn have haven having he her here hers herself him himself his"
    " how"
    " however i if in into is isn it its itself just let like ll made make makes many may me"
    " might"
    " more most much must my myself near no nor not now of off on once one only onto or other"
    " others"
    " our ours ourselves out over own per put re really s said same say saying says see she"
    " should"
    " shouldn since so some still such t than that the their theirs them themselves then there"
    " these"
    " they this those though through to too toward towards under until up upon us ve very via"
    " vs"
    " was wasn way we well were weren what when where whether which while who whom whose why"
    " will"
    " with within without won would wouldn yet you your yours yourself amid according told two"
    " three"
    " first last new news video photos watch live update report reports"
)
_OTHERS = (
    # German
    "der die das den dem des ein eine einer eines einem einen und oder aber auch auf aus bei"
    " bis"
    " durch für gegen hat haben ich ihr im ist ins kann mehr mit nach nicht noch nur ob ohne"
    " sein"
    " seine seit sich sie sind soll über um unter vom von vor war was wegen wenn werden wie"
    " wieder"
    " will wird wir zu zum zur zwischen nun dass als dieser diese dieses sagte"
    # French
    " le la les un une des du de et ou mais dans en sur sous par pour avec sans est sont a été"
    " être"
    " au aux ce cet cette ces son sa ses leur leurs il elle ils elles qui que quoi dont ne pas"
    " plus"
    " se si tout tous après avant entre selon chez contre depuis vers fait d l n s qu j c y"
    # Spanish, Portuguese, Italian
    " el los las una unos unas del al y o pero con sin por para según entre sobre tras desde"
    " hasta"
    " es son fue ser era ha han como más su sus lo le les se no que este esta estos"
    " o os as um uma do da dos das no na nos nas ao aos e em com sem foi são não mais pelo"
    " pela após"
    " il lo gli i una uno di da dal dalla dei delle nel nella nei con su per tra fra è sono"
    " non più"
    " che chi ma anche dopo alla alle agli"
    # Dutch
    " het een van en of maar op aan bij uit naar met voor door over niet nog wel is zijn was"
    " heeft"
    " hebben wordt worden dat die deze dit te om als meer tegen"
    # Russian
    " и в во на с со к ко о об от до из за по под над при не но а что как это его ее их он она"
    " они"
    " мы вы я у же ли бы был была были быть для без после перед через между или также более"
    " сообщил"
    # Turkish, Polish
    " ve bir bu için ile de da çok daha olarak sonra göre i w z na do nie się że jest o po od"
    " jak za"
    # Arabic
    " في من على إلى عن مع هذا هذه أن إن التي الذي بعد قبل بين كما لا ما قال أو ثم"
)
STOP = frozenset(_ENGLISH.split()) | frozenset(_OTHERS.split())

COMMON_SHARE = 30
_NEWS = (
    "year years week weeks month months day days today yesterday tomorrow night morning time"
    " times monday tuesday wednesday thursday friday saturday sunday january february march"
    " april june july august september october november december people man men woman women"
    " child children family home house world country countries nation national international"
    " state states united government president minister prime official officials leader"
    " leaders"
    " party election vote court judge law police officer officers chief head group company"
    " companies business market markets price prices percent million billion money bank deal"
    " plan plans talks call calls called face faces facing fire killed dead death deaths die"
    " dies died injured attack attacks man arrested charged found case cases high top big"
    " biggest record set sets take takes taking took hit hits back end open opens start starts"
    " begin begins show shows work works working help helps help need needs want wants know"
    " think look looks come comes coming came give gives given gave keep turn move moves lead"
    " leads win wins won lose loses lost fall falls fell rise rises rose cut cuts raise ahead"
    " next former old young best better good great long major key early late local public"
    " city town north south east west center area part second third four five six seven eight"
    " nine ten hundred thousand number percent expected announced announces announce release"
    " released releases statement spokesman according interview reportedly sources source"
    " reporters press media online site website story stories read free life live school"
    " student students university health hospital car air water food war military army force"
    " forces security service services system power use used using team game games season play"
    " player players fans star film movie music song album tv series show sale sales sell buy"
    " share shares stock stocks investors growth economy economic tax job jobs pay cost costs"
    " rate rates quarter profit earnings issue issues problem problems question questions"
    " change changes left right support stop hold run running stand make making claim claims"
    " say warn warns warning concern concerns fear fears against american americans us uk"
)
COMMON = frozenset(_NEWS.split())
