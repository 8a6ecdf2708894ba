"""Hindi in Latin letters as people type it, to Devanagari and back.

The letters are mapped by the library indic-transliteration, in its ITRANS scheme. What it cannot know is that this is
Hindi and not Sanskrit, where every letter is said and every length is written:

* Devanagari does not write that an inherent a is silent. At the end of a word it is, and between VC_CV (Ohala 1983,
  "Aspects of Hindi Phonology"): लड़का is "ladka", not "ladaka".
* Typed Hindi leaves lengths open. A vowel at the end is long; doubled ones are. Where two consonants meet, they are one
  cluster at the start of a word and in a few pairs (न्द, स्त, क्य, र्म), and have a silent a between them elsewhere.
* The most frequent words are spelled as habit has it ("main", "hain", "mein"): they are listed.

So Devanagari to Latin is nearly always readable; Latin to Devanagari is a guess where a length or a retroflex was not
typed ("ladka" gives लदका).
"""

from __future__ import annotations

import unicodedata

import regex

from deployments.refinement.letter_tables import letter_table

_COMMON = letter_table(
    """
    main=मैं mein=में me=में hai=है hain=हैं hoon=हूँ hun=हूँ hu=हूँ ho=हो tha=था thi=थी
    the=थे nahin=नहीं nahi=नहीं na=ना haan=हाँ yeh=यह ye=ये woh=वह wo=वो vo=वो aur=और
    ya=या ki=कि toh=तो ka=का ke=के ko=को se=से par=पर bhi=भी hi=ही kya=क्या is=इस
    kyun=क्यों kyon=क्यों kyu=क्यों us=उस un=उन in=इन mujhe=मुझे hum=हम tum=तुम aap=आप
    ap=आप acha=अच्छा accha=अच्छा achha=अच्छा kuch=कुछ gaya=गया gayi=गई gaye=गए liye=लिए
    yahan=यहाँ vahan=वहाँ wahan=वहाँ kahan=कहाँ jahan=जहाँ theek=ठीक thik=ठीक bada=बड़ा
    badi=बड़ी ladka=लड़का ladki=लड़की padhna=पढ़ना log=लोग mai=मैं hindi=हिन्दी
    shukriya=शुक्रिया chahiye=चाहिए koi=कोई hui=हुई hua=हुआ hue=हुए bhai=भाई naam=नाम
    """
)
_LOAN_VOWELS = str.maketrans({"ऑ": "ओ", "ॉ": "ो", "ऍ": "ए", "ॅ": "े", "ऎ": "ए", "ॆ": "े", "ऒ": "ओ", "ॊ": "ो"})

_ITRANS_VOWEL = r"RRi|RRI|LLi|ai|au|[aAiIuUeo]"
_ITRANS_NASAL = r"M|\.N|~N(?![kg])"
_ITRANS = regex.compile(rf"{_ITRANS_VOWEL}|{_ITRANS_NASAL}|\.Dh|\.D|kSh|j~n|GY|~N|~n|[CcTDSs]h|[kgjtdpb]h|\S")
_IS_VOWEL = regex.compile(_ITRANS_VOWEL)
_IS_NASAL = regex.compile(_ITRANS_NASAL)
_LATIN = letter_table(
    """
    RRi=ri RRI=ri LLi=li .Dh=dh .D=d kSh=ksh j~n=gy GY=gy Ch=chh Th=th Dh=dh Sh=sh ~N=n
    ~n=n T=t D=d N=n K=kh G=gh L=l H=h .N=n
    """
)
_INNER_VOWELS = {"A": "aa", "I": "ee", "U": "oo"}
_LAST_VOWELS = {"A": "a", "I": "i", "U": "u"}

_TYPED = (
    ("chh", "Ch"),
    ("cch", "chCh"),
    ("aa", "A"),
    ("ee", "I"),
    ("ii", "I"),
    ("oo", "U"),
    ("uu", "U"),
    ("w", "v"),
    ("x", "ks"),
    ("sch", "sk"),
    ("ck", "k"),
    ("q", "k"),
    ("gy", "j~n"),
)
_SOFT_C = regex.compile(r"c(?=[eiyI])")
_HARD_C = regex.compile(r"c(?!h)")
_OPEN_END = regex.compile(r"(?<=[b-df-hj-np-tv-zDTNSC])[aiu]$")

_VIRAMA = "्"
_CONSONANT = "[\u0915-\u0939\u0958-\u095f]\u093c?"
# A virama between two letters, unless they begin the word or are a usual pair (म्प, स्त, र्म, त्र); the same letter twice
# is one, too, and is looked at when the virama is to go.
_CLUSTERS = regex.compile(
    rf"(?<first>{_CONSONANT}){_VIRAMA}(?={_CONSONANT})"
    rf"(?<!^{_CONSONANT}{_VIRAMA})"
    rf"(?<!न{_VIRAMA}(?=[तथदधनमय]))(?<!म{_VIRAMA}(?=[पफबभमय]))(?<![ङञण]{_VIRAMA})"
    rf"(?<![सशष]{_VIRAMA}(?=[तथटठपकनम]))(?<!र{_VIRAMA}(?=[मजदवथधगफबय]))(?<!{_CONSONANT}{_VIRAMA}(?=य))"
    rf"(?<![कगतदपबट]{_VIRAMA}(?=र))(?<!क{_VIRAMA}(?=[षत]))(?<!च{_VIRAMA}(?=छ))(?<!ज{_VIRAMA}(?=ञ))"
)


def to_latin(text: str) -> str:
    """A word in Devanagari, in Latin letters: हिन्दी is "hindi"."""
    letters = _ITRANS.findall(_mapped(text.translate(_LOAN_VOWELS), "devanagari", "itrans"))
    letters = _without_silent(letters)
    return "".join(_latin(letters, index) for index in range(len(letters)))


def to_devanagari(text: str) -> str:
    """A word of Hindi in Latin letters, in Devanagari: "ghar" is घर."""
    word = text.lower()
    if word in _COMMON:
        return _COMMON[word]
    for typed, itrans in _TYPED:
        word = word.replace(typed, itrans)
    word = _HARD_C.sub("k", _SOFT_C.sub("s", word))
    word = _OPEN_END.sub(lambda vowel: vowel.group().upper(), word)
    written = _mapped(word, "itrans", "devanagari").removesuffix(_VIRAMA)
    return unicodedata.normalize("NFC", _CLUSTERS.sub(_unless_doubled, written))


def _mapped(text: str, scheme: str, other_scheme: str) -> str:
    # The library reads the tables of all scripts when it is imported: 0.2 s of every process, for what few ask for.
    from indic_transliteration import sanscript

    return str(sanscript.transliterate(text, scheme, other_scheme))


def _unless_doubled(cluster: regex.Match[str]) -> str:
    first = cluster["first"]
    return cluster.group() if cluster.string.startswith(first, cluster.end()) else first


def _without_silent(letters: list[str]) -> list[str]:
    vowels = [bool(_IS_VOWEL.fullmatch(letter)) for letter in letters]
    consonants = [
        not vowel and not _IS_NASAL.fullmatch(letter) and letter[-1].isalpha()
        for vowel, letter in zip(vowels, letters, strict=True)
    ]
    silent: set[int] = set()
    for index in range(len(letters) - 1, 0, -1):
        if letters[index] != "a" or not consonants[index - 1]:
            continue
        if index == len(letters) - 1:
            is_silent = any(vowels[:index])
        else:
            between = index + 2 < len(letters) and consonants[index + 1] and vowels[index + 2]
            is_silent = between and index >= 2 and vowels[index - 2] and index + 2 not in silent
        if is_silent:
            silent.add(index)
    return [letter for index, letter in enumerate(letters) if index not in silent]


def _latin(letters: list[str], index: int) -> str:
    letter, behind = letters[index], letters[index + 1 :]
    if letter == "M":
        return "m" if behind and behind[0][0] in "pbm" else "n"
    if letter in _INNER_VOWELS:
        is_last = not behind or (len(behind) == 1 and _IS_NASAL.fullmatch(behind[0]))
        return (_LAST_VOWELS if is_last else _INNER_VOWELS)[letter]
    return _LATIN.get(letter, letter)
