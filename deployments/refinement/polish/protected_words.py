"""Words whose change changes what is said: numbers and negations. Compared as spelling keys, see sound_alike.

A language that is not here has its digits protected, and no words: everything else the guard asks for still holds.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from deployments.refinement.hindi_numbers import is_number_word
from deployments.refinement.sound_alike import spelling_key

_NUMBERS = {
    "en": "zero oh one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million "
    "billion trillion hundreds thousands millions billions first second third fourth fifth sixth seventh eighth ninth "
    "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth "
    "thirtieth fortieth fiftieth sixtieth seventieth eightieth ninetieth hundredth thousandth half halves quarter "
    "quarters dozen once twice thrice double triple point percent",
    "de": "null ein eins eine einen einem einer eines zwei zwo drei vier fünf sechs sieben acht neun zehn elf zwölf "
    "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig hundert tausend million millionen milliarde "
    "milliarden halb halbe hälfte viertel drittel doppelt dutzend erste ersten zweite zweiten dritte dritten komma "
    "prozent",
    "fr": "zéro un une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt "
    "trente quarante cinquante soixante septante huitante nonante cent cents mille million millions milliard milliards "
    "premier première second seconde demi demie moitié quart tiers double douzaine virgule pourcent",
    "es": "cero un uno una dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte veintiuno veintiuna veintidós veintitrés veinticuatro veinticinco "
    "veintiséis veintisiete veintiocho veintinueve treinta cuarenta cincuenta sesenta setenta ochenta noventa cien "
    "ciento cientos doscientos doscientas trescientos trescientas cuatrocientos cuatrocientas quinientos quinientas "
    "seiscientos seiscientas setecientos setecientas ochocientos ochocientas novecientos novecientas mil millón "
    "millones primero primera segundo segunda tercero medio media mitad doble docena coma",
    "it": "zero un uno una due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici "
    "sedici diciassette diciotto diciannove venti trenta quaranta cinquanta sessanta settanta ottanta novanta cento "
    "mille mila milione milioni miliardo miliardi primo prima secondo seconda mezzo mezza metà doppio dozzina virgola",
    "pt": "zero um uma dois duas três quatro cinco seis sete oito nove dez onze doze treze catorze quatorze quinze "
    "dezesseis dezessete dezoito dezenove vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem cento "
    "duzentos trezentos quatrocentos quinhentos seiscentos setecentos oitocentos novecentos mil milhão milhões "
    "bilhão bilhões primeiro primeira segundo segunda meio meia metade dobro dúzia vírgula",
    "nl": "nul een één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien "
    "zeventien achttien negentien twintig dertig veertig vijftig zestig zeventig tachtig negentig honderd duizend "
    "miljoen miljard eerste tweede derde half helft kwart dubbel dozijn komma procent",
    "ru": "ноль один одна одно два две три четыре пять шесть семь восемь девять десять одиннадцать двенадцать "
    "тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать тридцать сорок "
    "пятьдесят шестьдесят семьдесят восемьдесят девяносто сто двести триста четыреста пятьсот тысяча тысячи тысяч "
    "миллион миллиона миллионов миллиард первый второй третий половина четверть полтора",
    # With the words that hindi_numbers knows.
    "hi": "पहला पहली पहले दूसरा दूसरी दूसरे तीसरा तीसरी तीसरे चौथा चौथी चौथे आधा आधी आधे",
}
_NEGATIONS = {
    "en": "not no never none nobody nothing nowhere neither nor without cannot cant wont dont doesnt didnt isnt arent "
    "wasnt werent hasnt havent hadnt couldnt wouldnt shouldnt mustnt neednt aint unless except hardly barely deny "
    "denies denied",
    "de": "nicht nichts nie niemals niemand kein keine keinen keinem keiner keines ohne weder außer kaum nein",
    "fr": "ne n pas non jamais rien personne aucun aucune sans ni guère sauf",
    "es": "no ni nunca jamás nada nadie ningún ninguno ninguna sin tampoco salvo excepto apenas",
    "it": "non no né mai niente nulla nessuno nessuna senza neanche nemmeno tranne",
    "pt": "não nem nunca jamais nada ninguém nenhum nenhuma sem tampouco exceto",
    "nl": "niet niets nooit niemand geen zonder noch nee behalve nauwelijks",
    "ru": "не нет ни никогда ничего никто нигде без кроме нельзя",
    "hi": "नहीं न ना मत बिना कभी",
}
# Numbers are written in one word there; "dreihundertvier" has four of these letters in a row.
_COMPOUNDING = frozenset({"de", "nl", "it", "ru"})
_LEAST_COMPOUND_PART = 4

# "Legal" and "illegal", "hypotension" and "hypertension" sound alike, and recognisers mistake them.
_POLARITY_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "anti", "mis", "hypo", "hyper")
_LEAST_STEM = 4


def _keys(words: str) -> frozenset[str]:
    return frozenset(spelling_key(word) for word in words.split())


_NUMBER_KEYS = {language: _keys(words) for language, words in _NUMBERS.items()}
_NEGATION_KEYS = {language: _keys(words) for language, words in _NEGATIONS.items()}


def numbers_in(texts: Sequence[str], language: str) -> tuple[str, ...]:
    """The parts of words that are numbers, in order, as spelling keys."""
    return tuple(part for part in _parts(texts) if _is_number(part, language))


def negations_in(texts: Sequence[str], language: str) -> tuple[str, ...]:
    """The parts of words that negate, in order, as spelling keys."""
    known = _NEGATION_KEYS.get(language, frozenset())
    return tuple(part for part in _parts(texts) if part in known)


def turns_around(old: Sequence[str], new: Sequence[str]) -> bool:
    """Whether a word lost or won a prefix that makes it its opposite."""
    return any(
        before != after and stems_of_before & _stems(after)
        for before in _parts(old)
        for stems_of_before in (_stems(before),)
        for after in _parts(new)
    )


def _stems(part: str) -> frozenset[str]:
    """The word, and what is left of it without a prefix."""
    bare = (part.removeprefix(prefix) for prefix in _POLARITY_PREFIXES if part.startswith(prefix))
    return frozenset({part, *(stem for stem in bare if len(stem) >= _LEAST_STEM)})


def _parts(texts: Sequence[str]) -> list[str]:
    return [part for text in texts for part in spelling_key(text).split()]


def _is_number(part: str, language: str) -> bool:
    if any(unicodedata.category(character)[0] == "N" for character in part):
        return True
    known = _NUMBER_KEYS.get(language, frozenset())
    if part in known or (language == "hi" and is_number_word(part)):
        return True
    return language in _COMPOUNDING and any(len(number) >= _LEAST_COMPOUND_PART and number in part for number in known)
