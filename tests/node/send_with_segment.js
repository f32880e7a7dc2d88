// Sends with Segment's client for Node: node send_with_segment.js ADDRESS KEY
const { Analytics } = require("@segment/analytics-node");

const [address, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ host: address, writeKey, maxRetries: 5 });
const happened = new Date("2026-01-01T11:00:00Z");
analytics.on("error", (error) => console.log(JSON.stringify({ error: String(error.code), reason: String(error.reason) })));

analytics.identify({ userId: "42", anonymousId: "a-1", traits: { email: "ann@example.com", title: "CTO" }, timestamp: happened });
analytics.page({ userId: "42", category: "Docs", name: "Pricing", properties: { url: "https://example.com/pricing" }, messageId: "m-page" });
analytics.track({ userId: "42", event: "Demo Requested", properties: { seats: 20 }, context: { ip: "192.0.2.1", campaign: { source: "ads" } } });
analytics.track({ userId: "42", event: "Invoice Paid", properties: { amount: 7 } });
analytics.screen({ userId: "42", name: "Invoices" });
analytics.group({ userId: "42", groupId: "acme", traits: { employees: 250 } });
analytics.alias({ previousId: "a-1", userId: "42" });

analytics.closeAndFlush({ timeout: 20000 }).then(() => console.log("flushed"));
