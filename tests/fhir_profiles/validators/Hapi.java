import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.DefaultProfileValidationSupport;
import ca.uhn.fhir.validation.FhirValidator;
import ca.uhn.fhir.validation.SingleValidationMessage;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.hl7.fhir.common.hapi.validation.support.CommonCodeSystemsTerminologyService;
import org.hl7.fhir.common.hapi.validation.support.InMemoryTerminologyServerValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.PrePopulatedValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.SnapshotGeneratingValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.UnknownCodeSystemWarningValidationSupport;
import org.hl7.fhir.common.hapi.validation.support.ValidationSupportChain;
import org.hl7.fhir.common.hapi.validation.validator.FhirInstanceValidator;

/**
 * HAPI's instance validator over many resources in one start. It must never fetch anything: what it knows is in its jars and in the folder.
 *
 * Arguments: a file of lines {"name", "resource": JSON text, as it claims its profiles}, and a folder of definitions.
 * Prints a line {"name", "severity", "code", "place", "text"} for each finding. A profile or extension that is in neither is an error.
 */
public final class Hapi {
    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        FhirContext context = FhirContext.forR4();
        PrePopulatedValidationSupport definitions = new PrePopulatedValidationSupport(context);
        try (Stream<Path> files = Files.list(Path.of(arguments[1]))) {
            for (Path file : files.sorted().toList()) {
                definitions.addResource(context.newJsonParser().parseResource(Files.readString(file)));
            }
        }
        // The in-memory service comes first: the other one makes an error of every language that R4's preferred list does not have.
        FhirInstanceValidator instance = new FhirInstanceValidator(new ValidationSupportChain(
            new DefaultProfileValidationSupport(context),
            definitions,
            new InMemoryTerminologyServerValidationSupport(context),
            new CommonCodeSystemsTerminologyService(context),
            new SnapshotGeneratingValidationSupport(context),
            new UnknownCodeSystemWarningValidationSupport(context)));
        instance.setErrorForUnknownProfiles(true);
        instance.setAnyExtensionsAllowed(false);
        FhirValidator validator = context.newValidator().registerValidatorModule(instance);
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            JsonObject asked = JsonParser.parseString(line).getAsJsonObject();
            for (SingleValidationMessage found : validator.validateWithResult(asked.get("resource").getAsString()).getMessages()) {
                JsonObject said = new JsonObject();
                said.add("name", asked.get("name"));
                said.addProperty("severity", found.getSeverity().getCode());
                said.addProperty("code", found.getMessageId());
                said.addProperty("place", found.getLocationString());
                said.addProperty("text", found.getMessage());
                out.println(said);
            }
        }
    }
}
