// Sends with RudderStack's client for Node: node send_with_rudderstack.js ADDRESS KEY
const Rudder = require("@rudderstack/rudder-sdk-node");

const [address, writeKey] = process.argv.slice(2);
const client = new (Rudder.default ?? Rudder)(writeKey, {
  dataPlaneUrl: address,
  errorHandler: (error) => console.log(JSON.stringify({ error: error.response?.status ?? String(error) })),
});

client.identify({ userId: "42", anonymousId: "a-1", traits: { email: "ann@example.com", title: "CTO" } });
client.page({ userId: "42", category: "Docs", name: "Pricing", properties: { url: "https://example.com/pricing" }, messageId: "m-page" });
client.track({ userId: "42", event: "Demo Requested", properties: { seats: 20 }, context: { ip: "192.0.2.1", campaign: { source: "ads" } } });
client.track({ userId: "42", event: "Invoice Paid", properties: { amount: 7 } });
client.screen({ userId: "42", name: "Invoices" });
client.group({ userId: "42", groupId: "acme", traits: { employees: 250 } });
client.alias({ previousId: "a-1", userId: "42" });

client.flush().then(() => console.log("flushed")).catch(() => process.exit(0));
