//! Topics and groups, by Kafka's own command line tools: 1 to 2 seconds a call.

use anyhow::Context;

use super::Kafka;

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";

const GROUPS: &str = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";

const RECORDS: &str = "org.apache.kafka.tools.DeleteRecordsCommand";

const PRODUCER: &str = "org.apache.kafka.tools.ProducerPerformance";

/// How far a consumer group is on one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupOffset {
    pub topic: String,
    pub partition: i32,
    /// The next offset to read; `None` before the first commit.
    pub committed: Option<i64>,
    /// One past the last offset written.
    pub end: i64,
}

impl Kafka {
    /// Creates a topic. Fails if it exists.
    pub fn create_topic(&self, name: &str, partitions: u32) -> anyhow::Result<()> {
        self.create_topic_with(name, partitions, &[])
    }

    /// The same with settings of the topic's own, `key=value` each.
    pub fn create_topic_with(&self, name: &str, partitions: u32, settings: &[&str]) -> anyhow::Result<()> {
        let (bootstrap, partitions) = (self.bootstrap(), partitions.to_string());
        let create =
            ["--create", "--topic", name, "--partitions", &partitions, "--bootstrap-server", &bootstrap];
        let settings = settings.iter().flat_map(|setting| ["--config", setting]);
        let arguments: Vec<&str> = create.into_iter().chain(settings).collect();
        self.run(TOPICS, &arguments).map(drop)
    }

    /// Makes a topic have so many partitions: more than it has.
    pub fn grow_topic(&self, name: &str, partitions: u32) -> anyhow::Result<()> {
        let (bootstrap, partitions) = (self.bootstrap(), partitions.to_string());
        let alter =
            ["--alter", "--topic", name, "--partitions", &partitions, "--bootstrap-server", &bootstrap];
        self.run(TOPICS, &alter).map(drop)
    }

    /// Deletes the records of a partition below an offset, as retention does; -1 deletes all.
    pub fn delete_records(&self, topic: &str, partition: i32, below: i64) -> anyhow::Result<()> {
        let of = format!(r#"{{"topic": "{topic}", "partition": {partition}, "offset": {below}}}"#);
        let text = format!(r#"{{"version": 1, "partitions": [{of}]}}"#);
        let file = self.folder.write(&format!("delete-{topic}-{partition}-{below}.json"), &text)?;
        let file = file.to_str().context("the temporary folder's name is not UTF-8")?;
        let arguments = ["--bootstrap-server", &self.bootstrap(), "--offset-json-file", file];
        self.run(RECORDS, &arguments).map(drop)
    }

    /// What Kafka's own tool says of a topic: its partitions and the settings that are not the broker's.
    pub fn describe_topic(&self, name: &str) -> anyhow::Result<String> {
        let bootstrap = self.bootstrap();
        let arguments = ["--describe", "--topic", name, "--bootstrap-server", &bootstrap];
        Ok(self.run(TOPICS, &arguments)?.join("\n"))
    }

    /// Writes so many plain records in transactions of a few records each. Each transaction ends with a marker, which has
    /// an offset and is no record.
    pub fn produce_in_transactions(&self, topic: &str, count: u32) -> anyhow::Result<()> {
        let (servers, count) = (format!("bootstrap.servers={}", self.bootstrap()), count.to_string());
        let records =
            ["--topic", topic, "--num-records", &count, "--record-size", "10", "--throughput", "100"];
        let transactions = ["--transactional-id", topic, "--transaction-duration-ms", "50"];
        let arguments: Vec<&str> =
            records.into_iter().chain(transactions).chain(["--producer-props", &servers]).collect();
        self.run(PRODUCER, &arguments).map(drop)
    }

    /// How far the group is, by topic and partition. Fails if there is no such group.
    pub fn group_offsets(&self, group: &str) -> anyhow::Result<Vec<GroupOffset>> {
        let bootstrap = self.bootstrap();
        let arguments = ["--describe", "--offsets", "--group", group, "--bootstrap-server", &bootstrap];
        let lines = self.run(GROUPS, &arguments)?;
        read_offsets(&lines).with_context(|| format!("no offsets of group {group} in:\n{}", lines.join("\n")))
    }
}

impl Kafka {
    /// Who is in the group now, by the names that the broker gave them: whoever joins anew has another. Fails if there is
    /// no such group.
    pub fn group_members(&self, group: &str) -> anyhow::Result<Vec<String>> {
        let bootstrap = self.bootstrap();
        let arguments = ["--describe", "--members", "--group", group, "--bootstrap-server", &bootstrap];
        let lines = self.run(GROUPS, &arguments)?;
        Ok(read_members(&lines))
    }
}

/// Of a table whose second column is the member; without a table nobody is there.
fn read_members(lines: &[String]) -> Vec<String> {
    let rows = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.skip_while(|words| words.first() != Some(&"GROUP")).skip(1);
    rows.filter_map(|words| words.get(1).map(|member| (*member).to_owned())).collect()
}

/// Reads the tool's table: a line of column names, then a line a partition. Lines before it are for people.
fn read_offsets(lines: &[String]) -> anyhow::Result<Vec<GroupOffset>> {
    let mut lines = lines.iter().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let names = lines.find(|words| words.first() == Some(&"GROUP")).context("there is no table")?;
    let column = |name: &str| {
        names.iter().position(|column| *column == name).with_context(|| format!("there is no column {name}"))
    };
    let (topic, partition) = (column("TOPIC")?, column("PARTITION")?);
    let (committed, end) = (column("CURRENT-OFFSET")?, column("LOG-END-OFFSET")?);
    let rows = lines.filter(|words| words.len() >= names.len());
    let mut offsets = Vec::new();
    for words in rows {
        offsets.push(GroupOffset {
            topic: words[topic].to_owned(),
            partition: words[partition].parse()?,
            committed: if words[committed] == "-" { None } else { Some(words[committed].parse()?) },
            end: words[end].parse()?,
        });
    }
    offsets.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(topic: &str, partition: i32, committed: Option<i64>, end: i64) -> GroupOffset {
        GroupOffset { topic: topic.to_owned(), partition, committed, end }
    }

    #[test]
    fn the_table_of_the_tool_is_read() {
        let lines = [
            "",
            "Consumer group 'g' has no active members.",
            "",
            "GROUP  TOPIC  PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG  CONSUMER-ID  HOST  CLIENT-ID",
            "g      t      10         7               9               2    -            -     -",
            "g      t      2          -               0               -    -            -     -",
            "",
        ];
        let offsets = read_offsets(&lines.map(str::to_owned)).unwrap();
        assert_eq!(offsets, [offset("t", 2, None, 0), offset("t", 10, Some(7), 9)]);
    }

    #[test]
    fn the_members_of_a_group_are_read() {
        let lines = [
            "GROUP  CONSUMER-ID     HOST        CLIENT-ID  #PARTITIONS",
            "g      rdkafka-5b0c-1  /127.0.0.1  rdkafka    2",
            "g      rdkafka-77aa-2  /127.0.0.1  rdkafka    1",
        ];
        assert_eq!(read_members(&lines.map(str::to_owned)), ["rdkafka-5b0c-1", "rdkafka-77aa-2"]);
        let nobody = ["", "Consumer group 'g' has no active members."];
        assert_eq!(read_members(&nobody.map(str::to_owned)), [""; 0]);
    }

    #[test]
    fn a_reply_without_a_table_is_an_error() {
        assert!(read_offsets(&["Error: no such group".to_owned()]).is_err());
        assert!(read_offsets(&["GROUP TOPIC".to_owned()]).is_err());
    }
}
