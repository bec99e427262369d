//! The sample shop: its groups, its rules, its staff, and what its shoppers come with.

use crate::rehearsal::plan::Errand;
use serde_json::{Value, json};

/// A group with the name that people see.
pub(super) struct SampleGroup {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// Share of the simulated agents, in tenths.
    pub(super) tenths: u64,
    /// A person's sign-in for this group.
    pub(super) login: &'static str,
}

pub(super) const GROUPS: [SampleGroup; 4] = [
    SampleGroup { id: "presale", name: "售前 Presales", tenths: 4, login: "xiaomei" },
    SampleGroup { id: "aftersale", name: "售后 After-sales", tenths: 3, login: "lin" },
    SampleGroup { id: "payment", name: "支付 Payments", tenths: 2, login: "chen" },
    SampleGroup { id: "vip", name: "VIP", tenths: 1, login: "anna" },
];

/// What a group is made of, as `POST /api/v1/groups` takes it.
pub(super) fn group(sample: &SampleGroup) -> Value {
    let policy = if sample.id == "vip" { "best_skill" } else { "longest_idle" };
    json!({
        "id": sample.id, "name": sample.name, "policy": policy, "accept": "auto", "pick": true,
        "service_level": {"percent": 80, "within_s": 20},
    })
}

/// Rules beside those of the settings: which errand belongs where.
pub(super) fn rules() -> Vec<Value> {
    vec![
        json!({"id": "demo-payment", "when": {"intent": "payment_failure"}, "group": "payment"}),
        json!({"id": "demo-return", "when": {"intent": "return"}, "group": "aftersale"}),
        json!({"id": "demo-logistics", "when": {"intent": "logistics"}, "group": "aftersale", "head_start_s": 60}),
        json!({"id": "demo-vip", "when": {"group": "vip"}, "group": "vip", "head_start_s": 300}),
    ]
}

/// What shoppers come with, and how agents answer.
pub(super) fn errands() -> Vec<Errand> {
    vec![
        errand(
            5,
            "presale",
            None,
            "尺码咨询",
            &["这件外套175穿什么码？", "会不会偏小？", "今天能发货吗"],
            &["您好，175 建议选 L 码", "这款是标准版型，不偏码", "16 点前付款当天发出"],
        ),
        errand(
            3,
            "presale",
            None,
            "sizes",
            &["does this jacket run small?", "which size for 180 cm?"],
            &["hello! it is true to size", "180 cm takes an L"],
        ),
        errand(
            4,
            "aftersale",
            Some("logistics"),
            "物流",
            &["怎么还不发货", "我的快递到哪了", "催一下可以吗"],
            &["您好，正在为您查询物流", "包裹已到杭州转运中心", "已帮您联系快递加急"],
        ),
        errand(
            2,
            "aftersale",
            Some("return"),
            "return",
            &["I want to return the shoes", "who pays for it?"],
            &["sorry to hear that, here is the return label", "we do, of course"],
        ),
        errand(
            2,
            "payment",
            Some("payment_failure"),
            "付款失败",
            &["付款失败了但是扣了钱", "什么时候退回来"],
            &["您好，已查到这笔扣款", "原路退回，两小时内到账"],
        ),
        errand(
            1,
            "vip",
            None,
            "VIP 专属",
            &["我是会员，想预订新款", "can you keep one for me?"],
            &["尊敬的会员您好，已为您预留", "of course, reserved under your name"],
        ),
    ]
}

fn errand(
    weight: u32,
    group: &str,
    intent: Option<&str>,
    subject: &str,
    lines: &[&str],
    replies: &[&str],
) -> Errand {
    Errand {
        weight,
        group: Some(group.into()),
        intent: intent.map(Into::into),
        subject: Some(subject.into()),
        lines: lines.iter().map(|line| (*line).into()).collect(),
        replies: replies.iter().map(|reply| (*reply).into()).collect(),
    }
}
