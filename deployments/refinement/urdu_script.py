"""Hindi in Urdu script to Devanagari, letter by letter.

Recognisers write Hindi in either script: the spoken language is one. Consonants and long vowels have counterparts.
What the script leaves out cannot be had back by rules: short vowels are taken for the inherent a, and و and ی inside a
word, which stand for two vowels each, for the more frequent ones, o and ī. The most frequent words are listed. The
letter tables of indic-transliteration need the vowel points that nobody writes.
"""

from __future__ import annotations

import unicodedata

from deployments.refinement.letter_tables import letter_table

_COMMON = letter_table(
    """
    میں=में ہے=है ہیں=हैं ہوں=हूँ کی=की کے=के کا=का کو=को سے=से نے=ने پر=पर اور=और یہ=यह
    وہ=वह کہ=कि نہیں=नहीं ہاں=हाँ اس=इस ان=इन ہو=हो تھا=था تھی=थी تھے=थे کیا=क्या
    کیوں=क्यों تم=तुम ہم=हम میرا=मेरा میری=मेरी میرے=मेरे تیرا=तेरा مجھے=मुझे ایک=एक
    بہت=बहुत کچھ=कुछ بھی=भी کیسے=कैसे جیسے=जैसे لیے=लिए لئے=लिए تو=तो ہندی=हिन्दी دن=दिन
    اچھا=अच्छा اچھی=अच्छी گیا=गया دیا=दिया لیا=लिया سب=सब کوئی=कोई زندگی=ज़िन्दगी
    شکریہ=शुक्रिया ہوا=हुआ ہوئی=हुई پیار=प्यार دنیا=दुनिया لوگ=लोग اردو=उर्दू اوپر=ऊपर
    وقت=वक़्त دوست=दोस्त کتاب=किताब ہندوستان=हिन्दुस्तान
    """
)
_CONSONANTS = letter_table(
    """
    ں=ं ب=ब پ=प ت=त ٹ=ट ث=स ج=ज چ=च ح=ह خ=ख़ د=द ڈ=ड ذ=ज़ ر=र ڑ=ड़ ز=ज़ ژ=झ़ س=स ش=श ص=स
    ض=ज़ ط=त ظ=ज़ غ=ग़ ف=फ़ ق=क़ ک=क گ=ग ل=ल م=म ن=न ہ=ह و=व ی=य
    """
)
_ASPIRATED = letter_table(
    """
    ब=भ प=फ त=थ ट=ठ ज=झ च=छ द=ध ड=ढ ड़=ढ़ क=ख ग=घ
    """
)
_LONG_VOWELS = {"ا": ("आ", "ा"), "آ": ("आ", "ा"), "ی": ("ई", "ी"), "ے": ("ए", "े"), "و": ("ओ", "ो")}
_POINTED_VOWELS = {"\u064e": "", "\u0650": "ि", "\u064f": "ु"}
_VARIANTS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ه": "ہ", "ة": "ہ", "ۃ": "ہ", "أ": "ا", "إ": "ا", "ؤ": "و"})
_GLIDES = frozenset("وی")
_VOWEL_LETTERS = frozenset("اآیےو")


def to_devanagari(text: str) -> str:
    """A word in Urdu script, in Devanagari: گھر is घर."""
    word = unicodedata.normalize("NFC", text).translate(_VARIANTS)
    if word in _COMMON:
        return _COMMON[word]
    written: list[str] = []
    for index, letter in enumerate(word):
        if letter == "ھ" and written and written[-1] in _ASPIRATED:
            written[-1] = _ASPIRATED[written[-1]]
        else:
            written.append(_letter(letter, word[index + 1 : index + 2], written))
    return unicodedata.normalize("NFC", "".join(written))


def _letter(letter: str, follower: str, before: list[str]) -> str:
    """A letter in Devanagari, as what stands before and behind it has it; a bearer of a vowel is nothing by itself."""
    is_behind_consonant = bool(before) and before[-1] in _CONSONANT_LETTERS
    is_glide = letter in _GLIDES and (not before or (follower in _VOWEL_LETTERS and follower != letter))
    # An alif that begins a word stands for a short vowel, or bears the one that follows.
    if letter in _LONG_VOWELS and not is_glide and (before or letter != "ا"):
        return _LONG_VOWELS[letter][is_behind_consonant]
    match letter:
        case "ا" | "ع":
            # In front of a vowel's letter it only bears it, and within a word ع is silent.
            return "अ" if not before and follower not in _VOWEL_LETTERS else ""
        case "ہ" if not follower and is_behind_consonant:
            return "ा"
        case _ if letter in _POINTED_VOWELS:
            return _POINTED_VOWELS[letter] if is_behind_consonant else ""
        case "ھ":
            return "ह"
    return _CONSONANTS.get(letter, letter if letter.isdecimal() else "")


_CONSONANT_LETTERS = frozenset(_CONSONANTS.values()) - {"ं"} | frozenset(_ASPIRATED.values())
