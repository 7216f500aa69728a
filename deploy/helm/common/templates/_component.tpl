{{/*
Everything that a service needs, from its values and its facts.

Takes a list: the root, and the facts as YAML:
  component  its name, which is also its chart's
  command    what is started; unset: what the image starts
  headless   whether nobody calls it, so that its Service only says where the pods are
  drainSeconds  how long a pod that has to go still serves
  port       the name and number of the one port that serves everything; of our own services the environment variables
             that take the number and the host; `tls`: the Secret with its certificate, where it speaks TLS
  alive, ready  the paths of the probes
  path       below which path the way in leads here
  metrics    the path that Prometheus reads; unset: there are none
  reaches    whom it calls, of: database, redis, gateway
  callers    which of the pods beside it call it, besides its test
  secrets    environment variable -> key of the Secret, and whether it may be missing
  files      what is mounted: name, path, and a configMap or a secret; with `key` one file, else the directory
  podAnnotations  besides those of the values
  ask        the words of a command that fails unless the address that follows answers; `helm test` runs it
  foreign    it is no program of ours: what an umbrella shares is not meant for it
*/}}
{{- define "tidewheel.component" -}}
{{- $context := include "tidewheel.context" . | fromYaml -}}
{{- $_ := set $context "root" (index . 0) -}}
{{- $values := $context.values -}}
{{ include "tidewheel.access" $context }}
{{- if $values.pools }}
{{- range $pool := $values.pools }}
{{- $own := mergeOverwrite (deepCopy $values) (omit (deepCopy $pool) "name") -}}
{{- $poolContext := merge (dict "values" $own "pool" $pool.name "name" (printf "%s-%s" $context.name $pool.name)) $context }}
{{ include "tidewheel.deployment" $poolContext }}
{{ include "tidewheel.disruption" $poolContext }}
{{ include "tidewheel.autoscaling" $poolContext }}
{{- end }}
{{- else }}
{{ include "tidewheel.deployment" $context }}
{{ include "tidewheel.disruption" $context }}
{{ include "tidewheel.autoscaling" $context }}
{{- end }}
{{ include "tidewheel.service" $context }}
{{- if $values.alerts }}
{{ include "tidewheel.alerts" $context }}
{{- end }}
{{ include "tidewheel.network" $context }}
{{ include "tidewheel.test" $context }}
{{- end }}

{{/* Its values, facts and name, as YAML; the root is put in by who asks, as it is no data. */}}
{{- define "tidewheel.context" -}}
{{- $root := index . 0 -}}
{{- $facts := index . 1 | fromYaml -}}
{{- $shared := dict -}}
{{- if not $facts.foreign }}{{ $shared = dig "tidewheel" dict ($root.Values.global | default dict) }}{{ end -}}
{{- $values := omit (mergeOverwrite (deepCopy $root.Values) (deepCopy $shared)) "global" "common" -}}
{{- $name := include "tidewheel.fullname" (dict "root" $root "facts" $facts) -}}
{{- dict "facts" $facts "values" $values "name" $name | toYaml -}}
{{- end }}

{{/* What all of Tidewheel's own services are, besides what each is: merged under its own facts. */}}
{{- define "tidewheel.service.facts" -}}
command: [python, -m, tidewheel_{{ .Chart.Name }}]
component: {{ .Chart.Name }}
alive: /healthz
ready: /readyz
metrics: /metrics
reaches: [database, redis]
ask:
  - python
  - -c
  - |-
    import ssl, sys, urllib.request
    trusted = ssl.create_default_context(cafile=next(iter(sys.argv[2:]), None))
    urllib.request.urlopen(sys.argv[1], timeout=5, context=trusted)
{{- end }}

{{/* One that nobody calls: it moves tasks between the stores, and its port is for probes and metrics alone. */}}
{{- define "tidewheel.worker.facts" -}}
{{ include "tidewheel.service.facts" . }}
headless: true
port: {name: metrics, number: {{ .Values.port }}, host: TIDEWHEEL_HEALTH_HOST, variables: [TIDEWHEEL_HEALTH_PORT]}
{{- end }}

{{/* The selector of one Deployment: the component's, and its pool's where it has pools. */}}
{{- define "tidewheel.selector.own" -}}
{{ include "tidewheel.selector" . }}
{{- with .pool }}
tidewheel.io/pool: {{ . }}
{{- end }}
{{- end }}
