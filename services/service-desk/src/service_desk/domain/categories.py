"""The category tree of complaints: data. A code is the path from the root, joined by dots."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from keyturn_events import Refusal, RefusalKind


@dataclass(frozen=True, slots=True)
class Category:
    """One leaf of the tree, with its labels."""

    code: str
    english: str
    chinese: str


CATEGORIES: Final = (
    Category("quality.leak", "Leak or damp", "渗漏与潮湿"),
    Category("quality.structure", "Cracks and structure", "开裂与结构"),
    Category("quality.finishes", "Finishes and flooring", "装修与地面"),
    Category("quality.doors-windows", "Doors and windows", "门窗"),
    Category("quality.plumbing", "Water and drains", "给排水"),
    Category("quality.electrical", "Electricity", "电气"),
    Category("quality.heating", "Heating, cooling and insulation", "采暖、制冷与保温"),
    Category("quality.lift", "Lifts", "电梯"),
    Category("quality.systems", "Building systems", "楼宇设备系统"),
    Category("handover.delay", "Late handover", "延期交付"),
    Category("handover.mismatch", "Home differs from contract", "与合同不符"),
    Category("handover.documents", "Papers and property title", "资料与产权证"),
    Category("safety.fire", "Fire protection", "消防安全"),
    Category("safety.vacant-building", "Vacant or unsafe building", "空置或危险房屋"),
    Category("safety.overcrowding", "Overcrowding", "群租"),
    Category("safety.security", "Guards and access", "安保与门禁"),
    Category("environment.sanitation", "Rubbish and cleanliness", "环境卫生"),
    Category("environment.dumping", "Illegal dumping", "乱倒垃圾"),
    Category("environment.pests", "Rodents and insects", "鼠虫害"),
    Category("environment.greenery", "Trees and gardens", "绿化"),
    Category("environment.noise", "Noise", "噪音"),
    Category("environment.snow", "Snow and ice", "积雪结冰"),
    Category("community.vehicles", "Parking and abandoned vehicles", "停车与废弃车辆"),
    Category("community.signs", "Signs and flyers", "招牌与小广告"),
    Category("community.vending", "Unlicensed vending", "无证摆摊"),
    Category("community.fees", "Fees and charges", "物业费用"),
    Category("works.permits", "Building works and permits", "装修施工与许可"),
    Category("works.zoning", "Zoning and use", "规划与用途"),
    Category("service.conduct", "Conduct of staff", "服务态度"),
    Category("service.promise", "Promise not kept", "承诺未兑现"),
    Category("service.escalation", "Escalated from elsewhere", "上级转办"),
    Category("service.other", "Other", "其他"),
)

_BY_CODE: Final = {category.code: category for category in CATEGORIES}


def category_of(code: str) -> Category:
    """The category of this code; raises `Refusal` that names the nearest when there is none."""
    found = _BY_CODE.get(code)
    if found is None:
        near = get_close_matches(code, _BY_CODE, n=3)
        hint = f"Did you mean {' or '.join(near)}? " if near else ""
        raise Refusal(
            "unknown-category",
            f"There is no such complaint category. {hint}GET /complaint-categories lists all.",
            kind=RefusalKind.INVALID,
            pointer="/category",
        )
    return found
