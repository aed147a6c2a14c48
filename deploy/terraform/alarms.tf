# When trailwarden itself is in trouble, or silent.

locals {
  alarm_actions = [var.alarm_topic_arn == "" ? aws_sns_topic.this.arn : var.alarm_topic_arn]
  react_metric  = { Function = aws_lambda_function.react.function_name }
  sweep_metric  = { Function = aws_lambda_function.sweep.function_name }

  # By the end of their names. What is not said: the sum of one period of a minute is above 0, and no data is no alarm.
  alarms = {
    react-errors = {
      description = "The function that reacts fails: events wait in the queue and come again. Look at its log."
      metric      = ["AWS/Lambda", "Errors", { FunctionName = aws_lambda_function.react.function_name }]
      period      = 300
    }
    sweep-errors = {
      description = "Sweeps fail. A single one may; three in five minutes may not. Look at its log."
      metric      = ["AWS/Lambda", "Errors", { FunctionName = aws_lambda_function.sweep.function_name }]
      periods     = 5
      datapoints  = 3
    }
    react-throttles = {
      description = "The function that reacts finds no concurrency: the account's quota is used up, or was set to 0."
      metric      = ["AWS/Lambda", "Throttles", { FunctionName = aws_lambda_function.react.function_name }]
      period      = 300
    }
    sweep-throttles = {
      description = "The sweep finds no concurrency: the account's quota is used up, or was set to 0."
      metric      = ["AWS/Lambda", "Throttles", { FunctionName = aws_lambda_function.sweep.function_name }]
      period      = 300
    }
    unhandled-events = {
      description = "Events that could not be handled lie in the dead-letter queue. Read them, mend the cause, and redrive them."
      metric      = ["AWS/SQS", "ApproximateNumberOfMessagesVisible", { QueueName = aws_sqs_queue.dead_letters.name }]
      statistic   = "Maximum"
      period      = 300
    }
    queue-age = {
      description = "Events wait in the queue for more than five minutes."
      metric      = ["AWS/SQS", "ApproximateAgeOfOldestMessage", { QueueName = aws_sqs_queue.events.name }]
      statistic   = "Maximum"
      periods     = 3
      threshold   = 300
      ends        = true
    }
    rule-fails = {
      description = "The rule cannot hand events to the queue."
      metric      = ["AWS/Events", "FailedInvocations", { RuleName = aws_cloudwatch_event_rule.watch.name }]
      period      = 300
    }
    no-heartbeat = {
      description = "No sweep has come to its end for five minutes: trailwarden may be blind."
      metric      = ["Trailwarden", "Heartbeat", local.sweep_metric]
      periods     = 5
      comparison  = "LessThanThreshold"
      threshold   = 1
      missing     = "breaching"
      ends        = true
    }
    react-repair-failed = {
      description = "A repair failed: a trail may not be recording. The message on the incident says why."
      metric      = ["Trailwarden", "RepairFailed", local.react_metric]
    }
    sweep-repair-failed = {
      description = "A repair failed: a trail may not be recording. The message on the incident says why."
      metric      = ["Trailwarden", "RepairFailed", local.sweep_metric]
    }
    blind-window-open = {
      description = "A trail that should record does not, and has not for two sweeps."
      metric      = ["Trailwarden", "OpenBlindWindows", local.sweep_metric]
      statistic   = "Maximum"
      periods     = 2
      ends        = true
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each = { for name, alarm in local.alarms : name => alarm if var.enable_alarms }

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.metric[0]
  metric_name         = each.value.metric[1]
  dimensions          = each.value.metric[2]
  statistic           = try(each.value.statistic, "Sum")
  period              = try(each.value.period, 60)
  evaluation_periods  = try(each.value.periods, 1)
  datapoints_to_alarm = try(each.value.datapoints, null)
  comparison_operator = try(each.value.comparison, "GreaterThanThreshold")
  threshold           = try(each.value.threshold, 0)
  treat_missing_data  = try(each.value.missing, "notBreaching")
  alarm_actions       = local.alarm_actions
  ok_actions          = try(each.value.ends, false) ? local.alarm_actions : []
  tags                = local.tags
}

locals {
  react_name = aws_lambda_function.react.function_name
  sweep_name = aws_lambda_function.sweep.function_name

  # What each widget shows: title, statistic, period, metrics; three in a row. In metrics "." repeats what stands above, and
  # "..." repeats all but the last.
  widgets = [
    ["Trails not recording", "Maximum", 60, [["Trailwarden", "OpenBlindWindows", "Function", local.sweep_name]]],
    ["Incidents", "Sum", 300, [
      ["Trailwarden", "Incidents", "Function", local.react_name], ["...", local.sweep_name],
      [".", "RepairFailed", ".", local.react_name], ["...", local.sweep_name],
    ]],
    ["Heartbeat", "Sum", 60, [["Trailwarden", "Heartbeat", "Function", local.sweep_name]]],
    ["Time taken (ms)", null, 300, [
      ["AWS/Lambda", "Duration", "FunctionName", local.react_name, { stat = "p50" }], ["...", { stat = "p99" }],
      ["...", local.sweep_name, { stat = "p99" }],
    ]],
    ["Errors and throttles", "Sum", 300, [
      ["AWS/Lambda", "Errors", "FunctionName", local.react_name], ["...", local.sweep_name],
      [".", "Throttles", ".", local.react_name], ["...", local.sweep_name],
    ]],
    ["Queue", "Maximum", 60, [
      ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", aws_sqs_queue.events.name],
      [".", "ApproximateNumberOfMessagesVisible", ".", aws_sqs_queue.dead_letters.name],
    ]],
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  count = var.enable_dashboard ? 1 : 0

  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat([{
      type = "text", x = 0, y = 0, width = 24, height = 2
      properties = {
        markdown = "# trailwarden ${var.release}\nTrails are looked at by ${var.sweep_schedule}. No line for the heartbeat means that nobody is looking."
      }
      }], [for i, widget in local.widgets : {
      type = "metric", x = i % 3 * 8, y = 2 + floor(i / 3) * 6, width = 8, height = 6
      properties = merge({ title = widget[0], region = local.region, period = widget[2], metrics = widget[3] },
      widget[1] == null ? {} : { stat = widget[1] })
    }])
  })
}
