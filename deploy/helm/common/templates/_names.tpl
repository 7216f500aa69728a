{{/* Each of these takes the context that tidewheel.component makes: root, facts, values, name and suffix. */}}

{{- define "tidewheel.fullname" -}}
{{- $name := .facts.component -}}
{{- if contains $name .root.Release.Name -}}
{{- .root.Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (.root.Release.Name | trunc 40 | trimSuffix "-") $name -}}
{{- end -}}
{{- end }}

{{- define "tidewheel.selector" -}}
app.kubernetes.io/name: {{ .facts.component }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "tidewheel.labels" -}}
{{ include "tidewheel.selector" . }}
app.kubernetes.io/part-of: tidewheel
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The same for a pod that belongs to a component without being one of its own: a Job, a test. */}}
{{- define "tidewheel.labels.beside" -}}
app.kubernetes.io/name: {{ printf "%s-%s" .facts.component .beside }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/part-of: tidewheel
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{- define "tidewheel.image" -}}
{{- $image := .values.image -}}
{{- $place := ternary $image.repository (printf "%s/%s" $image.registry $image.repository) (empty $image.registry) -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $place $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $place ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{- define "tidewheel.secret" -}}
{{- .values.secret.name | default (include "tidewheel.fullname" .) -}}
{{- end }}
