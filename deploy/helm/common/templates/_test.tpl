{{/* `helm test`: the service answers its probe through its Service, under the network policies that hold. */}}
{{- define "tidewheel.test" -}}
{{- $labels := include "tidewheel.labels.beside" (merge (dict "beside" "test") .) -}}
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
        - python
        - -c
        - import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)
        - http://{{ .name }}:{{ .facts.port.number }}/readyz
      resources:
        requests: {cpu: 50m, memory: 64Mi}
        limits: {memory: 64Mi}
      securityContext: {{- include "tidewheel.security.container" . | nindent 8 }}
{{- end }}
