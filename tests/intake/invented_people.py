"""Invents people who came several times, in households, and were written down carelessly.

Each record has `truth` (who it is) and `household` beside the fields. Nobody here exists.
"""

from __future__ import annotations

from random import Random

SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕"
    "丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严"
)
GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰红梅秀珍建国文婷雪琳浩宇轩子涵梓欣怡佳晨曦思"
    "远博志鹏飞龙海燕春晓东峰斌鑫波辉健俊凯嘉诚雨萱一诺"
)
CITIES = [
    "上海",
    "北京",
    "深圳",
    "广州",
    "杭州",
    "南京",
    "苏州",
    "成都",
    "武汉",
    "西安",
    "重庆",
    "天津",
    "长沙",
    "郑州",
    "青岛",
    "宁波",
]
ROADS = [
    "人民路",
    "中山路",
    "解放路",
    "建设路",
    "和平路",
    "新华路",
    "文化路",
    "长江路",
    "幸福路",
    "学院路",
    "滨江路",
    "湖滨路",
]
FIRST_NAMES = [
    "James",
    "Mary",
    "Robert",
    "Patricia",
    "John",
    "Jennifer",
    "Michael",
    "Linda",
    "David",
    "Elizabeth",
    "William",
    "Barbara",
    "Richard",
    "Susan",
    "Joseph",
    "Jessica",
    "Thomas",
    "Sarah",
    "Christopher",
    "Karen",
    "Charles",
    "Lisa",
    "Daniel",
    "Nancy",
    "Matthew",
    "Betty",
    "Anthony",
    "Sandra",
    "Mark",
    "Margaret",
    "Donald",
    "Ashley",
    "Steven",
    "Emily",
    "Paul",
    "Donna",
    "Joshua",
    "Michelle",
    "Kenneth",
    "Carol",
    "Kevin",
    "Amanda",
    "Brian",
    "Melissa",
    "George",
    "Deborah",
    "Timothy",
    "Stephanie",
    "Ronald",
    "Rebecca",
    "Jason",
    "Laura",
    "Edward",
    "Helen",
    "Jeffrey",
    "Sharon",
    "Ryan",
    "Cynthia",
    "Jacob",
    "Kathleen",
    "Gary",
    "Amy",
    "Nicholas",
    "Angela",
    "Eric",
]
LAST_NAMES = [
    "Smith",
    "Johnson",
    "Williams",
    "Brown",
    "Jones",
    "Garcia",
    "Miller",
    "Davis",
    "Rodriguez",
    "Martinez",
    "Hernandez",
    "Lopez",
    "Gonzalez",
    "Wilson",
    "Anderson",
    "Taylor",
    "Moore",
    "Jackson",
    "Martin",
    "Lee",
    "Perez",
    "Thompson",
    "White",
    "Harris",
    "Sanchez",
    "Clark",
    "Ramirez",
    "Lewis",
    "Robinson",
    "Walker",
    "Young",
    "Allen",
    "King",
    "Wright",
    "Scott",
    "Torres",
    "Nguyen",
    "Hill",
    "Flores",
    "Green",
    "Adams",
    "Nelson",
    "Baker",
    "Hall",
    "Rivera",
    "Campbell",
    "Mitchell",
    "Carter",
    "Roberts",
    "Gomez",
    "Phillips",
    "Evans",
    "Turner",
    "Diaz",
    "Parker",
    "Cruz",
    "Edwards",
    "Collins",
    "Reyes",
    "Stewart",
    "Morris",
    "Morales",
    "Murphy",
    "Cook",
    "Rogers",
]
STREETS = [
    "Oak",
    "Maple",
    "Cedar",
    "Pine",
    "Elm",
    "Lake",
    "Hill",
    "Park",
    "Main",
    "Walnut",
    "Spring",
    "Church",
    "Mill",
]
PLACES = (
    ("Springfield", "IL", "627"), ("Austin", "TX", "787"), ("Denver", "CO", "802"),
    ("Portland", "OR", "972"), ("Columbus", "OH", "432"), ("Phoenix", "AZ", "850"),
    ("Boston", "MA", "021"), ("Seattle", "WA", "981"),
)  # fmt: skip

Person = dict[str, str]


def chinese_buyers(chance: Random, records: int) -> list[Person]:
    """Buyers with `name`, `phone`, `email`, `birth_date`, `city` and `street`."""
    found: list[Person] = []
    people = 0
    while len(found) < records:
        family, phone = chance.choice(SURNAMES[: chance.choice((20, 90))]), _mobile(chance)
        home = _chinese_home(chance)
        size = chance.choice((1, 1, 1, 2, 2, 3, 4))
        for place in range(size):
            people += 1
            own = phone if place and chance.random() < 0.5 else _mobile(chance)
            surname = chance.choice(SURNAMES) if place == 1 else family
            given = chance.choice(GIVEN) + (chance.choice(GIVEN) if chance.random() < 0.7 else "")
            born = _born(chance)
            email = f"{_digits(chance, 9)}@qq.com" if chance.random() < 0.5 else ""
            person = {
                "name": surname + given, "phone": own, "email": email, "birth_date": born, **home,
                "truth": str(people), "household": phone,
            }  # fmt: skip
            found += _written_down(chance, person, _chinese_slip)
    chance.shuffle(found)
    return found


def english_buyers(chance: Random, records: int) -> list[Person]:
    """Buyers with two names, `phone`, `email`, `birth_date` and a whole address."""
    found: list[Person] = []
    people = 0
    while len(found) < records:
        family, phone, home = chance.choice(LAST_NAMES), _digits(chance, 10), _english_home(chance)
        for _ in range(chance.choice((1, 1, 2, 2, 3, 4))):
            people += 1
            given = chance.choice(FIRST_NAMES)
            surname = family if chance.random() < 0.85 else chance.choice(LAST_NAMES)
            email = f"{given}.{surname}{chance.randrange(100)}@example.com".lower()
            person = {
                "given_name": given, "family_name": surname,
                "email": email if chance.random() < 0.8 else "",
                "phone": phone if chance.random() < 0.5 else _digits(chance, 10),
                "birth_date": _born(chance), **home, "truth": str(people), "household": phone,
            }  # fmt: skip
            found += _written_down(chance, person, _english_slip)
    chance.shuffle(found)
    return found


def _written_down(chance: Random, person: Person, slip: object) -> list[Person]:
    """The person, and with luck copies of it and copies of copies, each with slips."""
    assert callable(slip)
    written = [person]
    for _ in range(chance.choice((0, 0, 0, 1, 1, 2, 4))):
        copy = dict(chance.choice(written))
        for _ in range(chance.randint(0, 3)):
            slip(chance, copy)
        written.append(copy)
    return written


def _chinese_slip(chance: Random, person: Person) -> None:
    kinds = ("empty", "empty", "typo", "typo", "phone", "email", "move", "title", "form")
    kind = chance.choice(kinds)
    if kind == "empty":
        person[chance.choice(("phone", "city", "birth_date", "street", "email"))] = ""
    elif kind == "typo":
        field = chance.choice(("name", "phone", "email", "birth_date", "street"))
        person[field] = _typo(chance, person[field], GIVEN)
    elif kind == "phone":
        person["phone"] = _mobile(chance)
    elif kind == "email":
        person["email"] = f"{_digits(chance, 9)}@163.com"
    elif kind == "move":
        person.update(_chinese_home(chance))
    elif kind == "title":
        person["name"] += chance.choice(("先生", "女士"))
    elif person["birth_date"]:
        person["birth_date"] = person["birth_date"].replace("-", chance.choice(("/", ".", "")))


def _english_slip(chance: Random, person: Person) -> None:
    kind = chance.choice(("empty", "empty", "typo", "typo", "phone", "email", "move", "swap"))
    fields = sorted(person.keys() - {"truth", "household"})
    if kind == "empty":
        person[chance.choice(fields)] = ""
    elif kind == "typo":
        field = chance.choice(fields)
        person[field] = _typo(chance, person[field], "abcdefghijklmnopqrstuvwxyz")
    elif kind == "phone":
        person["phone"] = _digits(chance, 10)
    elif kind == "email":
        person["email"] = f"{chance.choice(STREETS)}{_digits(chance, 4)}@example.org".lower()
    elif kind == "move" and chance.random() < 0.5:
        person.update(_english_home(chance))
    elif chance.random() < 0.4:
        given, family = person["given_name"], person["family_name"]
        person["given_name"], person["family_name"] = family, given


def _typo(chance: Random, text: str, letters: str) -> str:
    if len(text) < 2:
        return text
    at = chance.randrange(len(text) - 1)
    letter = chance.choice("0123456789") if text[at].isdigit() else chance.choice(letters)
    return chance.choice(
        (
            text[:at] + letter + text[at + 1 :],
            text[:at] + text[at + 1 :],
            text[:at] + text[at + 1] + text[at] + text[at + 2 :],
        )
    )


def _born(chance: Random) -> str:
    return f"{chance.randint(1945, 2005)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"


def _digits(chance: Random, count: int) -> str:
    return str(chance.randrange(10 ** (count - 1), 10**count))


def _mobile(chance: Random) -> str:
    return "13" + _digits(chance, 9)


def _chinese_home(chance: Random) -> Person:
    door = f"{chance.randint(1, 300)}号{chance.randint(1, 30)}栋{chance.randint(101, 3204)}"
    return {"city": chance.choice(CITIES), "street": chance.choice(ROADS) + door}


def _english_home(chance: Random) -> Person:
    city, region, postcode = chance.choice(PLACES)
    kind = chance.choice(("St", "Ave", "Rd"))
    street = f"{chance.randint(1, 4000)} {chance.choice(STREETS)} {kind}"
    return {
        "street": street, "city": city, "region": region,
        "postcode": f"{postcode}{chance.randrange(41):02}",
    }  # fmt: skip
