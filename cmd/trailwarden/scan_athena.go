package main

import (
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/trailwarden/trailwarden/internal/archive"
	"github.com/trailwarden/trailwarden/internal/incident"
)

// What may stand in the text that is printed: it is for somebody's SQL editor.
var (
	bucketForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9!_.()/=-]*$`)
	listForm   = regexp.MustCompile(`^[a-z0-9-]+$`)
)

// athena prints a table for Amazon Athena and the queries that ask what scan asks.
func (a *app) athena(c *cobra.Command, args []string, q archive.Query) error {
	bucket, prefix, ok := s3Path(args[0])
	if len(args) != 1 || !ok || !bucketForm.MatchString(bucket) || !prefixForm.MatchString(prefix) {
		return usage("write s3://BUCKET/ or s3://BUCKET/PREFIX/, up to AWSLogs", "--athena-ddl needs the one place of the log files")
	}
	for _, value := range append(slices.Clone(q.Accounts), q.Regions...) {
		if !listForm.MatchString(value) {
			return usage("write account ids and Regions", "%q is neither an account nor a Region", value)
		}
	}
	prefix = strings.Trim(strings.TrimSuffix(strings.Trim(prefix, "/"), "AWSLogs"), "/")
	place := "s3://" + strings.Trim(bucket+"/"+prefix, "/") + "/AWSLogs/"
	text := strings.NewReplacer(
		"PLACE", place,
		"ACCOUNTS", projection("account", q.Accounts),
		"REGIONS", projection("region", q.Regions),
		"CALLS", "'"+strings.Join(watchedCalls(), "', '")+"'",
	).Replace(athenaText)
	return a.write(c, result{Text: []byte(text)})
}

// projection says which values a partition has: those that are listed, or any that a query names.
func projection(column string, values []string) string {
	if len(values) == 0 {
		return "'projection." + column + ".type' = 'injected'"
	}
	return "'projection." + column + ".type' = 'enum', 'projection." + column + ".values' = '" + strings.Join(values, ",") + "'"
}

// watchedCalls is the calls that rules are about.
func watchedCalls() []string {
	var names []string
	for _, r := range incident.Rules {
		if r.Event != "" && !slices.Contains(names, r.Event) {
			names = append(names, r.Event)
		}
	}
	slices.Sort(names)
	return names
}

const athenaText = `-- Printed by trailwarden. Run each statement by itself.
-- Columns account and region of type "injected" must be named in each query: WHERE account = '…' AND region = '…'.
CREATE EXTERNAL TABLE IF NOT EXISTS cloudtrail_logs (
  eventversion STRING,
  useridentity STRUCT<type: STRING, principalid: STRING, arn: STRING, accountid: STRING, invokedby: STRING, accesskeyid: STRING, username: STRING,
    sessioncontext: STRUCT<attributes: STRUCT<mfaauthenticated: STRING, creationdate: STRING>,
      sessionissuer: STRUCT<type: STRING, principalid: STRING, arn: STRING, accountid: STRING, username: STRING>>>,
  eventtime STRING, eventsource STRING, eventname STRING, awsregion STRING, sourceipaddress STRING, useragent STRING,
  errorcode STRING, errormessage STRING, requestparameters STRING, responseelements STRING, requestid STRING, eventid STRING,
  readonly STRING, eventtype STRING, recipientaccountid STRING, sharedeventid STRING
)
PARTITIONED BY (account STRING, region STRING, day STRING)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
STORED AS INPUTFORMAT 'com.amazon.emr.cloudtrail.CloudTrailInputFormat'
OUTPUTFORMAT 'org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat'
LOCATION 'PLACE'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  ACCOUNTS,
  REGIONS,
  'projection.day.type' = 'date', 'projection.day.format' = 'yyyy/MM/dd', 'projection.day.range' = '2013/11/01,NOW',
  'projection.day.interval' = '1', 'projection.day.interval.unit' = 'DAYS',
  'storage.location.template' = 'PLACE${account}/CloudTrail/${region}/${day}'
);

-- Who changed trails?
SELECT DISTINCT eventid, eventtime, eventname, errorcode, useridentity.arn AS actor, sourceipaddress, awsregion, requestparameters
FROM cloudtrail_logs
WHERE eventsource = 'cloudtrail.amazonaws.com' AND eventname IN (CALLS)
  AND account = '111122223333' AND region = 'us-east-1' AND day BETWEEN '2026/01/01' AND '2026/01/31'
ORDER BY eventtime;

-- When was a trail stopped, and until when? An empty "until" means that no StartLogging follows.
WITH calls AS (
  SELECT DISTINCT eventid, from_iso8601_timestamp(eventtime) AS at, eventname, useridentity.arn AS actor,
    regexp_extract(json_extract_scalar(requestparameters, '$.name'), '[^/]+$') AS trail
  FROM cloudtrail_logs
  WHERE eventsource = 'cloudtrail.amazonaws.com' AND eventname IN ('StopLogging', 'DeleteTrail', 'StartLogging') AND errorcode IS NULL
    AND account = '111122223333' AND region = 'us-east-1' AND day BETWEEN '2026/01/01' AND '2026/01/31'
), stops AS (
  SELECT *, min(CASE WHEN eventname = 'StartLogging' THEN at END) OVER (PARTITION BY trail ORDER BY at ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS until,
    lag(eventname, 1, 'StartLogging') OVER (PARTITION BY trail ORDER BY at) AS before
  FROM calls
)
SELECT trail, at AS blind_from, until, date_diff('second', at, until) AS seconds, actor
FROM stops WHERE eventname <> 'StartLogging' AND before = 'StartLogging' ORDER BY at;
`
