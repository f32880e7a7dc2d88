// Prints hot leads as they become so: node hot_leads.js BROKERS [PREFIX] (needs kafkajs).
//
// A consumer group remembers how far this has come. Each alert has an id: whoever keeps ids acts on each once, also
// when this program ends between printing and committing.
const { Kafka, logLevel } = require("kafkajs");

const [brokers, prefix = "leadheat"] = process.argv.slice(2);
const kafka = new Kafka({ clientId: "hot-leads-example", brokers: brokers.split(","), logLevel: logLevel.ERROR });
// What a transaction gave up is left out: kafkajs reads committed records unless told otherwise.
const consumer = kafka.consumer({ groupId: `${prefix}-hot-leads-example-js`, readUncommitted: false });
const seen = new Set();

async function main() {
  await consumer.connect();
  await consumer.subscribe({ topics: [`${prefix}.hot-leads.v1`], fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }) => {
      const alert = JSON.parse(message.value.toString());
      if (seen.has(alert.id)) return;
      seen.add(alert.id);
      if (alert.kind === "entered") {
        const why = alert.ledger.map((line) => `${line.rule} ${line.points >= 0 ? "+" : ""}${line.points.toFixed(0)}`);
        console.log(`${alert.lead} is ${alert.band} with ${alert.score.toFixed(0)} points: ${why.join(", ")}`);
      } else {
        console.log(`${alert.lead}: ${alert.kind}`);
      }
    },
  });
}

for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.disconnect().then(() => process.exit(0)));
main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
