//! Bodies of another form than the API's document says: a list for an object, at any depth.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use jalon_backend::http::router;
use jalon_tests::{Answer, Stage, for_both};
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Codes of a body whose form is wrong; whoever gets another one has its form accepted.
const OF_FORM: [&str; 5] =
    ["invalid_json", "unknown_field", "missing_field", "invalid_value", "unsupported_media_type"];

/// The fields of every struct that is sent, in the order in which they are declared: that is the order in which
/// serde would read them from a list. The document does not keep it, so it is read from the source.
fn declared() -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let mut lines = text.lines();
                while let Some(line) = lines.next() {
                    let Some(rest) = line.strip_prefix("pub struct ") else { continue };
                    let name = rest.split([' ', '<', '(', ';']).next().unwrap();
                    let mut fields = Vec::new();
                    if rest.ends_with('{') {
                        let own = lines.by_ref().take_while(|line| *line != "}");
                        fields.extend(
                            own.filter_map(|line| Some(line.strip_prefix("    pub ")?.split(':').next()?.to_owned())),
                        );
                    }
                    all.insert(name.to_owned(), fields);
                }
            }
        }
    }
    all
}

/// Makes values of schemas, with every field there is, and remembers where it made objects.
struct Maker<'d> {
    document: &'d Value,
    declared: &'d BTreeMap<String, Vec<String>>,
    /// A member's body is a guest's token.
    guest_token: &'d str,
    /// The place of each object, and its fields in the order of their declaration; none of a map.
    objects: Vec<(String, Option<Vec<String>>)>,
}

impl Maker<'_> {
    fn value(&mut self, schema: &Value, name: &str, at: &str) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.strip_prefix("#/components/schemas/").unwrap();
            let document = self.document;
            return self.value(&document["components"]["schemas"][name], name, at);
        }
        if let Some(one) = schema["oneOf"].as_array() {
            return self.value(one.iter().find(|one| one["type"] != "null").unwrap(), name, at);
        }
        if let Some(one) = schema["enum"].as_array() {
            // Not the first one: keys of a site can't run the server.
            return one.last().unwrap().clone();
        }
        let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
        match types.iter().find(|kind| *kind != "null").and_then(Value::as_str).unwrap() {
            "object" => self.object(schema, name, at),
            // A pair is a list of two texts.
            "array" => (0..=usize::from(schema["items"]["type"] == "string"))
                .map(|place| self.value(&schema["items"], "", &format!("{at}/{place}")))
                .collect(),
            "boolean" => json!(true),
            "integer" | "number" => json!(schema["minimum"].as_i64().unwrap_or(1).max(1)),
            "string" if at.ends_with("/guest_token") => json!(self.guest_token),
            "string" if at.ends_with("url") => json!("https://example.org/"),
            "string" => match schema["format"].as_str() {
                Some("uuid") => json!(Uuid::nil()),
                Some("date-time") => json!("2030-01-01T00:00:00Z"),
                _ => schema.get("example").cloned().unwrap_or(json!("fr")),
            },
            other => panic!("{at}: a value of type {other:?}?"),
        }
    }

    fn object(&mut self, schema: &Value, name: &str, at: &str) -> Value {
        let Some(properties) = schema["properties"].as_object() else {
            let keyed = schema["additionalProperties"].is_object();
            self.objects.push((at.to_owned(), (!keyed).then(Vec::new)));
            if !keyed {
                return json!({});
            }
            return json!({ "fr": self.value(&schema["additionalProperties"], "", &format!("{at}/fr")) });
        };
        let order = self.declared.get(name).unwrap_or_else(|| panic!("{at}: there is no struct {name}")).clone();
        let known: BTreeSet<&String> = order.iter().collect();
        assert_eq!(known, properties.keys().collect(), "{name}: as declared, and as documented");
        assert_eq!(schema["additionalProperties"], false, "{name}: it says that it takes no other field");
        self.objects.push((at.to_owned(), Some(order)));
        let field = |(key, schema): (&String, &Value)| (key.clone(), self.value(schema, "", &format!("{at}/{key}")));
        Value::Object(properties.iter().map(field).collect())
    }
}

/// An operation with a body, and an address of it.
struct Operation {
    method: Method,
    path: String,
    title: String,
    as_key: bool,
    schema: Value,
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut all = Vec::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(body) = operation.get("requestBody") else { continue };
            let mut path = template.replace("{site}", Stage::SITE);
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let value = match parameter["schema"]["format"].as_str() {
                    Some("uuid") => Uuid::nil().to_string(),
                    Some("int32") => "1".to_owned(),
                    _ => "fr".to_owned(),
                };
                path = path.replace(&format!("{{{}}}", parameter["name"].as_str().unwrap()), &value);
            }
            let security = operation["security"].as_array().cloned().unwrap_or_default();
            all.push(Operation {
                method: method.to_uppercase().parse().unwrap(),
                title: format!("{method} {template}"),
                path,
                as_key: security.iter().any(|one| one.get("api_key").is_some()),
                schema: body["content"]["application/json"]["schema"].clone(),
            });
        }
    }
    all
}

/// Lists that serde would take for this object, or that somebody may think it would.
fn lists(object: &Map<String, Value>, order: Option<&Vec<String>>) -> Vec<Value> {
    let sorted: Vec<Value> = object.values().cloned().collect();
    let declared: Vec<Value> = match order {
        Some(order) => order.iter().map(|name| object[name].clone()).collect(),
        None => sorted.clone(),
    };
    let longer: Vec<Value> = declared.iter().cloned().chain([json!("fr")]).collect();
    let pairs: Vec<Value> = object.iter().map(|(key, value)| json!([key, value])).collect();
    [declared, sorted, longer, pairs, Vec::new()].map(Value::Array).to_vec()
}

for_both! {
    /// D20: in every body of every operation, at every depth, a list is refused where an object belongs, with its
    /// place; whatever serde would make of it.
    async fn d20_no_list_is_taken_for_an_object(db: TestDb) {
        let stage = Stage::set(&db).await;
        let (_, guest_token) = stage.guest().await;
        let member = stage.member("u");
        let document = serde_json::to_value(router::openapi()).unwrap();
        let declared = declared();
        let (mut bodies, mut refused) = (0, 0);
        let operations = operations(&document);
        assert!(operations.len() > 30, "{}", operations.len());
        for operation in operations {
            let mut maker = Maker { document: &document, declared: &declared, guest_token: &guest_token, objects: Vec::new() };
            let body = maker.value(&operation.schema, "", "");
            let objects = maker.objects;
            let send = async |body: &Value| -> Answer {
                let token = if operation.as_key { &stage.key } else { &member };
                stage.server.request(operation.method.clone(), &operation.path).bearer(token).json(body).send().await
            };
            let title = &operation.title;
            // Its objects first, while nothing has changed: what is refused changes nothing.
            for (place, order) in &objects {
                let object = body.pointer(place).unwrap().as_object().unwrap();
                for list in lists(object, order.as_ref()) {
                    let mut changed = body.clone();
                    *changed.pointer_mut(place).unwrap() = list;
                    let answer = send(&changed).await;
                    let problem = answer.problem(422, "invalid_value");
                    assert_eq!(problem["errors"][0]["pointer"], place.as_str(), "{title}: {changed}\n{problem}");
                    refused += 1;
                }
            }
            // The other way round: the same body with its objects is read. What its texts say may be refused then.
            let answer = send(&body).await;
            assert!(answer.status.as_u16() < 500, "{title}: {}", answer.text());
            if !answer.status.is_success() {
                let problem = answer.json();
                let of_form = OF_FORM.contains(&problem["code"].as_str().unwrap());
                let place = problem["errors"][0]["pointer"].as_str().and_then(|at| body.pointer(at));
                let detail = problem["errors"][0]["detail"].as_str().unwrap_or_default();
                let of_text = place.is_some_and(Value::is_string) && !detail.contains("invalid type") && problem["code"] == "invalid_value";
                assert!(!of_form || of_text, "{title}: {body}\n{problem}");
            }
            bodies += 1;
        }
        assert!(bodies > 30 && refused > 500, "{bodies} bodies, {refused} lists");
    }

    /// D20: nothing is made of a body that says a thing twice.
    async fn d20_a_key_that_comes_twice_is_refused(db: TestDb) {
        let stage = Stage::set(&db).await;
        let put = async |body: &str| {
            stage.server.put("/api/v1/admin/sites/fpsf/tracks/twice").bearer(&stage.key).body("application/json", body.to_owned()).send().await
        };
        let whole = jalon_tests::small_track().to_string();
        for (once, twice, pointer) in [
            (r#""track_type":"#, r#""track_type":"beginner_intro","track_type":"#, "/track_type"),
            (r#""body":{"fr":"Bonjour."}"#, r#""body":{"fr":"Bonsoir.","fr":"Bonjour."}"#, "/steps/0/body/fr"),
            (r#""body":{"fr":"Bonjour."}"#, r#""body":{"fr":"Bonsoir.","FR":"Bonjour."}"#, "/steps/0/body/FR"),
            (r#""title":{"fr":"Fin"}"#, r#""title":{"fr":"Fin"},"title":{"fr":"Fin"}"#, "/steps/3/title"),
        ] {
            assert!(whole.contains(once), "{once}");
            let answer = put(&whole.replacen(once, twice, 1)).await;
            assert_eq!(answer.problem(422, "invalid_value")["errors"][0]["pointer"], pointer, "{}", answer.text());
        }
        put(&whole).await.expect(201);
    }
}
