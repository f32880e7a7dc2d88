import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The simple rule set in Kafka Streams, exactly once: one decayed sum per lead in a store with a changelog, and an
 * alert at each crossing. Settings are the library's own but for one thread, as the worker has one.
 *
 * <p>Arguments: brokers, source topic, alert topic, application id, state directory, events, half-life in days, the
 * limit, then type=points for each rule. The first third of the events warms the JVM up. Prints one JSON line.
 */
public final class KafkaStreamsPeer {
    private static final AtomicLong SEEN = new AtomicLong();
    private static final AtomicLong ALERTS = new AtomicLong();
    private static final ObjectReader READER = new ObjectMapper().readerFor(Event.class);

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public String type;
        public long time;

        @JsonProperty("user_id")
        public String userId;

        public String email;

        @JsonProperty("anonymous_id")
        public String anonymousId;

        String lead() {
            return userId != null ? userId : email != null ? email : anonymousId;
        }
    }

    private static final class Scorer implements Processor<byte[], byte[], String, byte[]> {
        private final Map<String, Double> points;
        private final double perMs;
        private final double hot;
        private ProcessorContext<String, byte[]> context;
        private KeyValueStore<String, byte[]> sums;

        Scorer(Map<String, Double> points, double halfLifeDays, double hot) {
            this.points = points;
            this.perMs = 1 / (halfLifeDays * 86_400_000);
            this.hot = hot;
        }

        @Override
        public void init(ProcessorContext<String, byte[]> context) {
            this.context = context;
            this.sums = context.getStateStore("sums");
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            Event event;
            try {
                event = READER.readValue(record.value());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            String lead = event.lead();
            byte[] known = sums.get(lead);
            double before = 0;
            if (known != null) {
                ByteBuffer sum = ByteBuffer.wrap(known);
                before = sum.getDouble() * Math.pow(2, (sum.getLong() - event.time) * perMs);
            }
            double after = before + points.getOrDefault(event.type, 0.0);
            byte[] sum = ByteBuffer.allocate(16).putDouble(after).putLong(event.time).array();
            sums.put(lead, sum);
            if (before < hot && hot <= after) {
                ALERTS.incrementAndGet();
                context.forward(new Record<>(lead, sum, record.timestamp()));
            }
            SEEN.incrementAndGet();
        }
    }

    public static void main(String[] arguments) throws InterruptedException {
        long count = Long.parseLong(arguments[5]);
        double halfLifeDays = Double.parseDouble(arguments[6]);
        double hot = Double.parseDouble(arguments[7]);
        Map<String, Double> points = new java.util.HashMap<>();
        for (int rule = 8; rule < arguments.length; rule++) {
            String[] parts = arguments[rule].split("=");
            points.put(parts[0], Double.parseDouble(parts[1]));
        }
        Topology topology = new Topology();
        topology.addSource("events", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), arguments[1]);
        topology.addProcessor("scorer", () -> new Scorer(points, halfLifeDays, hot), "events");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                        Stores.inMemoryKeyValueStore("sums"), Serdes.String(), Serdes.ByteArray()),
                "scorer");
        topology.addSink(
                "alerts", arguments[2], Serdes.String().serializer(), Serdes.ByteArray().serializer(), "scorer");
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[3]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        OperatingSystemMXBean process = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.start();
        while (SEEN.get() < count / 3) {
            Thread.sleep(1);
        }
        long first = SEEN.get();
        long wallNs = System.nanoTime();
        long cpuNs = process.getProcessCpuTime();
        while (SEEN.get() < count) {
            Thread.sleep(1);
        }
        wallNs = System.nanoTime() - wallNs;
        Thread.sleep(200); // the last commit belongs to the work: it comes 100 ms after the one before
        cpuNs = process.getProcessCpuTime() - cpuNs;
        System.out.printf(
                "{\"events\": %d, \"wall_s\": %.6f, \"cpu_s\": %.6f, \"alerts\": %d}%n",
                count - first, wallNs / 1e9, cpuNs / 1e9, ALERTS.get());
        Runtime.getRuntime().halt(0);
    }
}
