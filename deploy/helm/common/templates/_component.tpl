{{/*
Everything that a service needs, from its values and its facts.

Takes a list: the root, and the facts as YAML:
  component  its name, which is also its chart's
  headless   whether nobody calls it, so that its Service only says where the pods are
  drainSeconds  how long a pod that has to go still serves
  port       the name, number and environment variables of the one port that serves probes and metrics
  secrets    environment variable -> key of the Secret, and whether it may be missing
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

{{/* The selector of one Deployment: the component's, and its pool's where it has pools. */}}
{{- define "tidewheel.selector.own" -}}
{{ include "tidewheel.selector" . }}
{{- with .pool }}
tidewheel.io/pool: {{ . }}
{{- end }}
{{- end }}
