"""What the columns of a file mean, in English and Chinese, and what other systems call them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple


class ColumnWords(NamedTuple):
    """A column in words, with a value as a file would have it."""

    english: str
    chinese: str
    example: str


WORDS: Final[Mapping[str, ColumnWords]] = {
    "name": ColumnWords("Name of the person", "姓名", "张伟"),
    "phone": ColumnWords(
        "Telephone, with country code or as written in the community's country",
        "电话（可带国家代码）",
        "138 0013 8000",
    ),
    "email": ColumnWords("E-mail address", "电子邮箱", "zhang.wei@example.com"),
    "wechat": ColumnWords("WeChat OpenID", "微信 OpenID", "oR5xK5nVZ0a1"),
    "national_id": ColumnWords(
        "Number of the identity card; only a keyed hash of it is kept",
        "身份证号（只保存加密摘要）",
        "330102199005011234",
    ),
    "birth_date": ColumnWords("Day of birth of the person", "出生日期", "1990-05-01"),
    "address.street": ColumnWords("Street and number", "街道门牌", "滨江路12号3栋501"),
    "address.city": ColumnWords("City", "城市", "杭州"),
    "address.region": ColumnWords("Province or region", "省份", "浙江"),
    "address.postcode": ColumnWords("Postcode", "邮政编码", "310000"),
    "agency_id": ColumnWords("Agency that brings the person", "分销机构", "agency-1"),
    "channel": ColumnWords("How the person came", "来访渠道", "walk-in"),
    "captured_at": ColumnWords(
        "When the person came, with offset", "来访时间（带时区偏移）", "2026-03-01T10:30:00+08:00"
    ),
    "community_id": ColumnWords("Community of interest", "意向楼盘", "riverside"),
    "campaign": ColumnWords("Campaign that the person answered", "营销活动", "spring-2026"),
    "referral_code": ColumnWords("Code of the owner who recommended", "老带新推荐码", "KT7Q2M"),
    "utm.source": ColumnWords("UTM source of the link", "UTM 来源", "wechat"),
    "utm.medium": ColumnWords("UTM medium of the link", "UTM 媒介", "article"),
    "utm.campaign": ColumnWords("UTM campaign of the link", "UTM 活动", "spring"),
    "utm.term": ColumnWords("UTM term of the link", "UTM 关键词", "三居室"),
    "utm.content": ColumnWords("UTM content of the link", "UTM 内容", "banner-2"),
    "source_reference": ColumnWords(
        "The source's own number of the lead", "来源系统编号", "A-2026-0042"
    ),
    "language": ColumnWords("Language that the person prefers", "首选语言", "zh"),
    "time_zone": ColumnWords("Time zone of the person", "所在时区", "Asia/Shanghai"),
    "household.household_id": ColumnWords("Number of the household", "家庭编号", "household-42"),
    "household.members.N.relationship": ColumnWords(
        "Member N of the household: who it is", "第 N 位家庭成员的关系", "child"
    ),
    "household.members.N.birth_date": ColumnWords(
        "Member N of the household: day of birth", "第 N 位家庭成员的出生日期", "2019-06-01"
    ),
    "household.members.N.customer_id": ColumnWords(
        "Member N of the household: customer id, if known",
        "第 N 位家庭成员的客户编号",
        "c1a6f0de-7a53-5d1e-9a5e-0d1f6f1c7a10",
    ),
    "household.marital_status": ColumnWords("Marital status", "婚姻状况", "married"),
    "household.incomes": ColumnWords("How many incomes", "收入来源数", "dual"),
    "household.relocating": ColumnWords(
        "Whether work moves the household from city to city", "是否常年工作流动", "no"
    ),
    "household.homes_owned": ColumnWords("Homes owned before", "已有住房套数", "0"),
    "affordability.annual_income.amount": ColumnWords("Income a year", "年收入", "360000.00"),
    "affordability.annual_income.currency": ColumnWords(
        "Currency of the income", "年收入币种", "CNY"
    ),
    "affordability.monthly_debts.amount": ColumnWords(
        "Payments on debts a month", "每月还贷", "4500.00"
    ),
    "affordability.monthly_debts.currency": ColumnWords(
        "Currency of the debts", "每月还贷币种", "CNY"
    ),
    "affordability.down_payment.amount": ColumnWords(
        "What can be paid at once", "可付首付", "600000.00"
    ),
    "affordability.down_payment.currency": ColumnWords(
        "Currency of the down payment", "首付币种", "CNY"
    ),
    "budget.amount": ColumnWords("Budget", "预算", "1680000.00"),
    "budget.currency": ColumnWords("Currency of the budget", "预算币种", "CNY"),
    "product_line": ColumnWords("Product line of interest", "意向产品线", "first-home"),
    "advisor_id": ColumnWords("Advisor whom the person asked for", "指定置业顾问", "advisor-7"),
    "consents": ColumnWords(
        "What the person allows: channel/purpose, or channel/purpose/status, with spaces between",
        "授权：渠道/用途[/状态]，以空格分隔",
        "sms/marketing email/survey/denied",
    ),
}
"""Every column of the form in words, by its name."""

NAMES_ELSEWHERE: Final[Mapping[str, str]] = {
    "姓名": "name",
    "客户姓名": "name",
    "客户名称": "name",
    "fullname": "name",
    "customer": "name",
    "手机": "phone",
    "手机号": "phone",
    "手机号码": "phone",
    "电话": "phone",
    "联系电话": "phone",
    "联系方式": "phone",
    "mobile": "phone",
    "mobilephone": "phone",
    "telephone": "phone",
    "tel": "phone",
    "cell": "phone",
    "邮箱": "email",
    "电子邮箱": "email",
    "电子邮件": "email",
    "mail": "email",
    "emailaddress": "email",
    "微信": "wechat",
    "微信号": "wechat",
    "openid": "wechat",
    "渠道": "channel",
    "来访渠道": "channel",
    "来源": "channel",
    "source": "channel",
    "日期": "captured_at",
    "来访时间": "captured_at",
    "登记时间": "captured_at",
    "createdat": "captured_at",
    "楼盘": "community_id",
    "项目": "community_id",
    "意向楼盘": "community_id",
    "project": "community_id",
    "community": "community_id",
    "活动": "campaign",
    "推荐码": "referral_code",
    "推荐人": "referral_code",
    "语言": "language",
    "时区": "time_zone",
    "timezone": "time_zone",
    "婚姻": "household.marital_status",
    "婚姻状况": "household.marital_status",
    "预算": "budget.amount",
    "budget": "budget.amount",
    "年收入": "affordability.annual_income.amount",
    "income": "affordability.annual_income.amount",
    "首付": "affordability.down_payment.amount",
    "置业顾问": "advisor_id",
    "顾问": "advisor_id",
    "advisor": "advisor_id",
    "agent": "advisor_id",
    "身份证": "national_id",
    "身份证号": "national_id",
    "idcard": "national_id",
    "出生日期": "birth_date",
    "生日": "birth_date",
    "birthday": "birth_date",
    "dateofbirth": "birth_date",
    "地址": "address.street",
    "address": "address.street",
    "城市": "address.city",
    "邮编": "address.postcode",
    "zip": "address.postcode",
    "zipcode": "address.postcode",
    "授权": "consents",
    "consent": "consents",
    "编号": "source_reference",
    "reference": "source_reference",
}
"""Our name of a column by what other systems call it, in small letters without spaces."""
