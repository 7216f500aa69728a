{{/* `helm test`: the service answers its probe through its Service, under the network policies that hold. */}}
{{- define "tidewheel.test" -}}
{{- $labels := include "tidewheel.labels.beside" (merge (dict "beside" "test") .) -}}
{{- $authority := ternary .facts.port.ca nil (not (empty (dig "ca" "configMap" "" .facts.port))) -}}
{{- if .values.networkPolicy.enabled }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}-test
  namespace: {{ .root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
spec:
  podSelector:
    matchLabels: {app.kubernetes.io/name: {{ .facts.component }}-test, app.kubernetes.io/instance: {{ .root.Release.Name }}}
  policyTypes: [Ingress, Egress]
  egress:
    {{- include "tidewheel.network.dns" . | nindent 4 }}
    - to: [{podSelector: {matchLabels: {app.kubernetes.io/name: {{ .facts.component }}}}}]
      ports: [{port: {{ .facts.port.number }}, protocol: TCP}]
{{- end }}
---
apiVersion: v1
kind: Pod
metadata:
  name: {{ .name }}-test
  namespace: {{ .root.Release.Namespace }}
  labels: {{- $labels | nindent 4 }}
  annotations:
    helm.sh/hook: test
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "tidewheel.fullname" . }}
  {{- include "tidewheel.pod.base" . | nindent 2 }}
  containers:
    - name: test
      image: {{ include "tidewheel.image" . | quote }}
      imagePullPolicy: {{ .values.image.pullPolicy }}
      command:
        {{- toYaml .facts.ask | nindent 8 }}
        - {{ include "tidewheel.scheme" . }}://{{ .name }}:{{ .facts.port.number }}{{ .facts.ready }}
        {{- if $authority }}
        - /etc/tidewheel/authority/ca.crt
        {{- end }}
      resources:
        requests: {cpu: 50m, memory: 64Mi}
        limits: {memory: 64Mi}
      securityContext: {{- include "tidewheel.security.container" . | nindent 8 }}
      {{- if $authority }}
      volumeMounts: [{name: authority, mountPath: /etc/tidewheel/authority, readOnly: true}]
      {{- end }}
  {{- with $authority }}
  volumes:
    - {name: authority, configMap: {name: {{ .configMap }}, items: [{key: {{ .key }}, path: ca.crt}]}}
  {{- end }}
{{- end }}
