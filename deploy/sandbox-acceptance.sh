#!/usr/bin/env bash
# Checks on a real AWS account what could only be inferred: docs/sandbox-acceptance.md.
#
#   deploy/sandbox-acceptance.sh --dry-run
#   deploy/sandbox-acceptance.sh --account 111122223333 --region eu-central-1
#
# It makes a bucket, a queue, a rule and up to six trails whose names begin with "tw-acceptance-", and removes them when it
# ends, also when it is interrupted. For minutes it stops its own trail. It touches no other trail.
set -euo pipefail
exec 3>&2 # where a dry run prints to, also from calls whose errors are kept

dry=no account='' region=${AWS_REGION:-} rounds=3
usage() {
  sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'
  exit 2
}
while [ $# -gt 0 ]; do
  case $1 in
    --dry-run) dry=yes ;;
    --account) account=${2:?--account takes the number of the sandbox account}; shift ;;
    --region) region=${2:?--region takes a Region}; shift ;;
    --rounds) rounds=${2:?--rounds takes a number}; shift ;;
    *) usage ;;
  esac
  shift
done
region=${region:-eu-central-1}
stamp=$(date +%s)
name=tw-acceptance-$stamp
work=$(mktemp -d)
report=$work/report.md
made=() # what is there, the newest last: "kind name"

say() { printf '%s\n' "$*" >&2; }
finding() { printf '| %s | %s | %s |\n' "$1" "$2" "$3" >>"$report"; }

# call runs the AWS CLI; in a dry run it prints what it would run, and answers with nothing.
call() {
  if [ "$dry" = yes ]; then
    printf 'would run: aws --region %s' "$region" >&3
    printf ' %q' "$@" >&3
    printf '\n' >&3
    return 0
  fi
  aws --region "$region" --output text "$@"
}

nap() { [ "$dry" = yes ] || sleep "$1"; }

clean() {
  local status=$? i kind what
  trap - EXIT INT TERM
  for ((i = ${#made[@]} - 1; i >= 0; i--)); do
    read -r kind what <<<"${made[i]}"
    say "removing $kind $what"
    case $kind in
      trail) call cloudtrail delete-trail --name "$what" || say "STILL THERE: trail $what" ;;
      rule)
        call events remove-targets --rule "$what" --ids queue || say "STILL THERE: target of rule $what"
        call events delete-rule --name "$what" || say "STILL THERE: rule $what"
        ;;
      queue) call sqs delete-queue --queue-url "$what" || say "STILL THERE: queue $what" ;;
      bucket)
        call s3 rm "s3://$what" --recursive --quiet || say "could not empty $what"
        call s3api delete-bucket --bucket "$what" || say "STILL THERE: bucket $what (CloudTrail may have delivered once more: empty it again)"
        ;;
    esac
  done
  if [ -s "$report" ]; then
    printf '# Acceptance on account %s, %s, %s\n\n| what | found | expected |\n|---|---|---|\n' "${account:-?}" "$region" "$(date -u +%FT%TZ)"
    cat "$report"
  fi
  rm -rf "$work"
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

if [ "$dry" = no ]; then
  [ -n "$account" ] || usage
  actual=$(call sts get-caller-identity --query Account)
  [ "$actual" = "$account" ] || { say "these are credentials of account $actual, not of $account"; exit 1; }
  others=$(call cloudtrail describe-trails --query 'trailList[].TrailARN')
  alone=yes
  for arn in $others; do
    if [ "$arn" != None ] && [ "$(call cloudtrail get-trail-status --name "$arn" --query IsLogging)" = True ]; then
      alone=no
      say "another trail is logging: $arn; what happens without any trail cannot be seen here"
    fi
  done
else
  account=${account:-111122223333} alone=yes
fi

bucket=$name-$account
place=()
[ "$region" = us-east-1 ] || place=(--create-bucket-configuration "LocationConstraint=$region")
call s3api create-bucket --bucket "$bucket" "${place[@]}" >/dev/null
made+=("bucket $bucket")
call s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
call s3api put-bucket-policy --bucket "$bucket" --policy "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"cloudtrail.amazonaws.com\"},\"Action\":\"s3:GetBucketAcl\",\"Resource\":\"arn:aws:s3:::$bucket\"},{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"cloudtrail.amazonaws.com\"},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::$bucket/*\",\"Condition\":{\"StringEquals\":{\"s3:x-amz-acl\":\"bucket-owner-full-control\"}}}]}"

queue=$(call sqs create-queue --queue-name "$name" --query QueueUrl)
queue=${queue:-https://sqs.$region.amazonaws.com/$account/$name}
made+=("queue $queue")
queue_arn=arn:aws:sqs:$region:$account:$name
rule_arn=arn:aws:events:$region:$account:rule/$name
printf '{"Policy":"{\\"Version\\":\\"2012-10-17\\",\\"Statement\\":[{\\"Effect\\":\\"Allow\\",\\"Principal\\":{\\"Service\\":\\"events.amazonaws.com\\"},\\"Action\\":\\"sqs:SendMessage\\",\\"Resource\\":\\"%s\\",\\"Condition\\":{\\"ArnEquals\\":{\\"aws:SourceArn\\":\\"%s\\"}}}]}"}' "$queue_arn" "$rule_arn" >"$work/queue.json"
call sqs set-queue-attributes --queue-url "$queue" --attributes "file://$work/queue.json"
call events put-rule --name "$name" --event-pattern '{"source":["aws.cloudtrail"],"detail-type":["AWS API Call via CloudTrail"],"detail":{"eventSource":["cloudtrail.amazonaws.com"]}}' >/dev/null
made+=("rule $name")
call events put-targets --rule "$name" --targets "Id=queue,Arn=$queue_arn" >/dev/null
call cloudtrail create-trail --name "$name" --s3-bucket-name "$bucket" --is-multi-region-trail >/dev/null
made+=("trail $name")
call cloudtrail start-logging --name "$name"
say "waiting until the trail has begun"
nap 120

drain() { # takes away what waits in the queue
  [ "$dry" = yes ] || call sqs purge-queue --queue-url "$queue" 2>/dev/null || true
  nap 5
}

# arrival EVENT SECONDS prints after how many seconds an event of that name is in the queue, as "7 s", or "never".
arrival() {
  local want=$1 most=$2 begin now body receipt
  if [ "$dry" = yes ]; then
    say "would wait up to $most s for $want in the queue"
    echo '-'
    return
  fi
  begin=$(date +%s)
  while now=$(date +%s) && [ $((now - begin)) -lt "$most" ]; do
    aws --region "$region" --output json sqs receive-message --queue-url "$queue" --wait-time-seconds 10 --max-number-of-messages 1 >"$work/message.json"
    [ -s "$work/message.json" ] || continue
    receipt=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["Messages"][0]["ReceiptHandle"])' "$work/message.json")
    body=$(python3 -c 'import json,sys; print(json.loads(json.load(open(sys.argv[1]))["Messages"][0]["Body"])["detail"]["eventName"])' "$work/message.json")
    call sqs delete-message --queue-url "$queue" --receipt-handle "$receipt"
    if [ "$body" = "$want" ]; then
      echo "$(($(date +%s) - begin)) s"
      return
    fi
  done
  echo never
}

say "1. how long an event takes while a trail is logging"
drain
for ((i = 1; i <= rounds; i++)); do
  call cloudtrail add-tags --resource-id "arn:aws:cloudtrail:$region:$account:trail/$name" --tags-list "Key=round,Value=$i"
  finding "AddTags in the queue, round $i" "$(arrival AddTags 300)" "seconds, best effort; the sweep's bound does not depend on it"
done

say "2. which events arrive when the only trail stops"
drain
call cloudtrail stop-logging --name "$name"
finding "StopLogging of the trail (the only one: $alone)" "$(arrival StopLogging 600)" "inferred: it arrives"
if [ "$alone" = yes ]; then
  call cloudtrail add-tags --resource-id "arn:aws:cloudtrail:$region:$account:trail/$name" --tags-list Key=after,Value=stop
  finding "AddTags after the only trail has stopped" "$(arrival AddTags 600)" "inferred: never; the sweep is there for it"
else
  finding "AddTags after the only trail has stopped" "not seen: another trail is logging" "inferred: never"
fi

say "3. is the request id of the answer the requestID of the record?"
if [ "$dry" = yes ]; then
  call cloudtrail start-logging --name "$name" --debug
else
  aws --region "$region" cloudtrail start-logging --name "$name" --debug 2>"$work/debug.txt"
  answered=$(grep -ioE "x-amzn-requestid'?: '?[0-9a-f-]{36}" "$work/debug.txt" | grep -oE '[0-9a-f-]{36}$' | tail -1)
fi
finding "StartLogging of the stopped, only trail" "$(arrival StartLogging 600)" "not known; SilentStart in the simulation"
say "waiting for Event history"
recorded=''
for ((i = 0; i < 40; i++)); do
  if [ "$dry" = yes ]; then
    call cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StartLogging
    break
  fi
  recorded=$(aws --region "$region" cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=StartLogging --max-results 1 --output json |
    python3 -c 'import json,sys; e=json.load(sys.stdin)["Events"]; print(json.loads(e[0]["CloudTrailEvent"]).get("requestID","") if e else "")')
  [ "$recorded" = "${answered:-none}" ] && break
  sleep 30
done
finding "request id of the answer and requestID of the record" "${answered:-?} and ${recorded:-?}" "equal: own calls are recognised by it"

say "4. quotas"
count=$(call cloudtrail describe-trails --no-include-shadow-trails --query 'length(trailList)')
finding "trails in the Region, with ours" "${count:-?}" ""
code=none
for i in 2 3 4 5 6; do
  if call cloudtrail create-trail --name "$name-$i" --s3-bucket-name "$bucket" --s3-key-prefix "$i" 2>"$work/error.txt" >/dev/null; then
    made+=("trail $name-$i")
    continue
  fi
  code=$(grep -oE '\([A-Za-z]+\)' "$work/error.txt" | head -1)
  break
done
finding "the sixth trail of a Region" "$code" "MaximumNumberOfTrailsExceededException"
finding "Lambda's concurrent executions" "$(call lambda get-account-settings --query AccountLimit.UnreservedConcurrentExecutions)" "10 or more"
say "done"
